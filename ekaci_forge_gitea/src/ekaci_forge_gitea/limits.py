"""How long Gitea, or what stands before it, asks to be left alone. Pure.

Gitea counts no requests itself; proxies before it and public instances do, and answer 429 or 503 with ``Retry-After``:
https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from ekaci_forge_gitea.faults import FORBIDDEN, SERVER_ERROR, TOO_MANY

UNKNOWN_SECONDS: Final = 60.0
"""Where there were too many requests and nothing says for how long."""
_LONGEST_SECONDS: Final = 3600.0


def pause_after(status: int, fields: Mapping[str, str], now: float) -> float | None:
    """Return the seconds to wait after an answer, or None where it asks for none.

    Args:
        status: of the answer.
        fields: its fields, names in lower case.
        now: seconds since the epoch.
    """
    asked = _retry_after(fields.get("retry-after", ""), now)
    if asked is None and status == TOO_MANY:
        asked = _until_reset(fields, now)
    if asked is not None and (status in (FORBIDDEN, TOO_MANY) or status >= SERVER_ERROR):
        return min(max(asked, 1.0), _LONGEST_SECONDS)
    return UNKNOWN_SECONDS if status == TOO_MANY else None


def _retry_after(text: str, now: float) -> float | None:
    if text.strip().isdecimal():
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _until_reset(fields: Mapping[str, str], now: float) -> float | None:
    """Read what some proxies say instead: seconds to wait, or a time in seconds since the epoch."""
    text = (fields.get("ratelimit-reset") or fields.get("x-ratelimit-reset") or "").strip()
    if not text.isdecimal():
        return None
    number = float(text)
    return number - now if number > _LONGEST_SECONDS * 24 * 365 else number

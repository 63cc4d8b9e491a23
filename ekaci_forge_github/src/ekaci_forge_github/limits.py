"""How long GitHub asks to be left alone. Pure.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from ekaci_forge_github.faults import FORBIDDEN, SERVER_ERROR, TOO_MANY

UNKNOWN_SECONDS: Final = 60.0
"""Where a secondary limit was met and GitHub does not say for how long."""
_LONGEST_SECONDS: Final = 3600.0
_SIGNS: Final = ("rate limit", "abuse detection")


def pause_after(status: int, fields: Mapping[str, str], text: str, now: float) -> float | None:
    """Return the seconds to wait after an answer, or None where it asks for none.

    Args:
        status: of the answer.
        fields: its fields, names in lower case.
        text: what it says, for secondary limits that nothing else tells.
        now: seconds since the epoch.
    """
    if status in (FORBIDDEN, TOO_MANY) or status >= SERVER_ERROR:
        asked = _retry_after(fields.get("retry-after", ""), now)
        if asked is not None:
            return _bounded(asked)
    if status >= SERVER_ERROR:
        return None
    spent = until_reset(fields, now)
    if status in (FORBIDDEN, TOO_MANY) and spent is not None:
        return spent
    limited = status == TOO_MANY or (status == FORBIDDEN and any(sign in text.lower() for sign in _SIGNS))
    return UNKNOWN_SECONDS if limited else None


def until_reset(fields: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until the hour's requests are given anew, or None where some are left."""
    if fields.get("x-ratelimit-remaining", "").strip() != "0":
        return None
    try:
        return _bounded(float(fields.get("x-ratelimit-reset", "")) - now)
    except ValueError:
        return UNKNOWN_SECONDS


def _retry_after(text: str, now: float) -> float | None:
    if text.strip().isdecimal():
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 1.0), _LONGEST_SECONDS)

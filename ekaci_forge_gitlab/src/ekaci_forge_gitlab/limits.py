"""How long GitLab asks to be left alone. Pure.

https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from ekaci_forge_gitlab.faults import FORBIDDEN, SERVER_ERROR, TOO_MANY

UNKNOWN_SECONDS: Final = 60.0
"""Where a limit was met and GitLab does not say for how long: most count by the minute."""
_LONGEST_SECONDS: Final = 3600.0


def pause_after(status: int, fields: Mapping[str, str], now: float) -> float | None:
    """Return the seconds to wait after an answer, or None where it asks for none.

    Args:
        status: of the answer.
        fields: its fields, names in lower case.
        now: seconds since the epoch.
    """
    if status in (FORBIDDEN, TOO_MANY) or status >= SERVER_ERROR:
        asked = _retry_after(fields.get("retry-after", ""), now)
        if asked is not None:
            return _bounded(asked)
    if status == TOO_MANY:
        return until_reset(fields, now) or UNKNOWN_SECONDS
    return None


def until_reset(fields: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until requests are given anew, or None where some are left."""
    if fields.get("ratelimit-remaining", "").strip() != "0":
        return None
    try:
        return _bounded(float(fields.get("ratelimit-reset", "")) - now)
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

"""How long a delivery that could not be handled waits, and when it is given up."""

from __future__ import annotations

from typing import Final

FIRST_SECONDS: Final = 2.0
MOST_SECONDS: Final = 600.0
MOST_FAULTS: Final = 30
"""Attempts that end because a machine or a forge fails: over three hours in all, as long as outages last."""
MOST_SURPRISES: Final = 4
"""Attempts that end in a way nobody foresaw: the delivery, not the world, is likely the reason."""


def pause_after(attempts: int, most: int) -> float | None:
    """Return the seconds until the next attempt after so many that failed; None where there is no next one."""
    if attempts >= most:
        return None
    return min(FIRST_SECONDS * 3.0 ** min(attempts - 1, 10), MOST_SECONDS)

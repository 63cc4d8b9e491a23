"""How often a cache is asked again, and when it is left alone: decided without a clock of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

FIRST_DELAY_SECONDS: Final = 0.25
LONGEST_DELAY_SECONDS: Final = 10.0
OPEN_SECONDS: Final = 60.0
LONGEST_OPEN_SECONDS: Final = 600.0
FAILURES_TO_OPEN: Final = 3


def delay(attempt: int, asked_for: float | None, chance: float) -> float | None:
    """Return the seconds to wait after a failed attempt; None where the cache wants more than is worth waiting for.

    Args:
        attempt: how many there were, from 1.
        asked_for: what the cache said in ``Retry-After``, seconds.
        chance: between 0 and 1; spreads what would otherwise come back all at once.
    """
    own = min(FIRST_DELAY_SECONDS * 2.0 ** (attempt - 1) * (0.5 + chance), LONGEST_DELAY_SECONDS)
    if asked_for is None:
        return own
    return max(own, asked_for) if asked_for <= LONGEST_DELAY_SECONDS else None


def retry_after(value: str | None, now: float) -> float | None:
    """Read ``Retry-After``: seconds, or a date (``now``: seconds since the epoch); None for anything else."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.fromtimestamp(now, UTC)).total_seconds())


class Circuit:
    """Closed while a cache answers; opens after some failures in a row.

    When its time is up it lets questions through again; the first that fails opens it for twice as long.
    """

    def __init__(self) -> None:
        """Begin closed."""
        self._failures = 0
        self._open_until: float | None = None
        self._seconds = OPEN_SECONDS

    def is_open(self, now: float) -> bool:
        """Say whether the cache is to be left alone at this (monotonic) time."""
        return self._open_until is not None and now < self._open_until

    def succeeded(self) -> None:
        """Note an answer, whatever it was."""
        self._failures = 0
        self._open_until = None
        self._seconds = OPEN_SECONDS

    def failed(self, now: float, *, wait: float | None = None, at_once: bool = False) -> bool:
        """Note a failure that retrying did not mend; return whether it opened the circuit.

        Args:
            now: monotonic.
            wait: how long the cache itself wants to be left alone, seconds.
            at_once: do not wait for further ones.
        """
        if self.is_open(now):
            return False
        self._failures += 1
        reopens = self._open_until is not None
        if not (at_once or reopens or wait is not None or self._failures >= FAILURES_TO_OPEN):
            return False
        if reopens:
            self._seconds = min(self._seconds * 2, LONGEST_OPEN_SECONDS)
        self._open_until = now + min(max(self._seconds, wait or 0.0), LONGEST_OPEN_SECONDS)
        return True

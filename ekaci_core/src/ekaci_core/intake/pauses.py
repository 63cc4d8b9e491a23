"""How long a delivery that could not be handled waits, and when it is given up."""

from __future__ import annotations

import attrs


@attrs.frozen
class Pauses:
    """A schedule of attempts, further and further apart.

    Attributes:
        first_seconds: the pause after the first attempt; each further one is three times as long.
        most_seconds: the longest pause.
        faults: attempts that end because a machine or a forge fails: with the defaults over three and a half hours,
            as outages last.
        surprises: attempts that end in a way nobody foresaw: then the delivery, not the world, is likely the reason.
    """

    first_seconds: float = 2.0
    most_seconds: float = 600.0
    faults: int = 30
    surprises: int = 4

    def after_fault(self, attempts: int) -> float | None:
        """Return the seconds until the next attempt after so many that failed; None where there is no next one."""
        return self._after(attempts, self.faults)

    def after_surprise(self, attempts: int) -> float | None:
        """Return likewise after one that nobody foresaw."""
        return self._after(attempts, self.surprises)

    def _after(self, attempts: int, most: int) -> float | None:
        if attempts >= most:
            return None
        return min(self.first_seconds * 3.0 ** min(attempts - 1, 10), self.most_seconds)

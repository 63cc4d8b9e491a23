"""How much a forge may be written to: two token buckets, one for bursts and one for the long run. Pure."""

from __future__ import annotations

from typing import Final

import attrs

from ekaci_core.api import WriteBudget

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0


@attrs.define
class Bucket:
    """Fills with ``rate`` tokens a second up to ``size``; begins full."""

    size: float
    rate: float
    tokens: float
    at: float

    def fill(self, now: float) -> None:
        """Add what has come since the last time; a clock that went back adds nothing."""
        self.tokens = min(self.size, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now

    @property
    def wait(self) -> float:
        """Seconds until there is a whole token."""
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) / self.rate


@attrs.define
class Buckets:
    """What one account may still write. Times are monotonic seconds."""

    minute: Bucket
    hour: Bucket
    shut_until: float = 0.0

    @classmethod
    def of(cls, budget: WriteBudget, now: float) -> Buckets:
        """Begin with a full minute and a full hour."""
        return cls(
            Bucket(budget.per_minute, budget.per_minute / _MINUTE, budget.per_minute, now),
            Bucket(budget.per_hour, budget.per_hour / _HOUR, budget.per_hour, now),
        )

    def wait(self, now: float) -> float:
        """Seconds until one more write is allowed; none where it is now."""
        self.minute.fill(now)
        self.hour.fill(now)
        return max(self.minute.wait, self.hour.wait, self.shut_until - now, 0.0)

    def take(self, now: float) -> bool:
        """Count one write, if it is allowed now."""
        if self.wait(now) > 0:
            return False
        self.minute.tokens -= 1
        self.hour.tokens -= 1
        return True

    def shut(self, seconds: float, now: float) -> None:
        """Write nothing for so long: the forge asked for it."""
        self.shut_until = max(self.shut_until, now + seconds)

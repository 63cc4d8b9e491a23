"""How much a forge may be written to: so much in any minute and so much in any hour, wherever they begin. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

from ekaci_core.api import WriteBudget

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0


@attrs.define
class Window:
    """The last ``seconds``, in which at most ``most`` writes may lie."""

    most: int
    seconds: float
    times: deque[float] = attrs.field(factory=deque)

    def wait(self, now: float) -> float:
        """Seconds until one more may be written."""
        while self.times and self.times[0] <= now - self.seconds:
            self.times.popleft()
        return 0.0 if len(self.times) < self.most else self.times[-self.most] + self.seconds - now


@attrs.define
class Allowance:
    """What one account may still write. Times are monotonic seconds.

    A bucket that fills while it is used would let twice as much through after a pause: forges count in windows.
    """

    minute: Window
    hour: Window
    shut_until: float = 0.0

    @classmethod
    def of(cls, budget: WriteBudget) -> Allowance:
        """Begin as if nothing had been written."""
        return cls(Window(max(1, int(budget.per_minute)), _MINUTE), Window(max(1, int(budget.per_hour)), _HOUR))

    def wait(self, now: float) -> float:
        """Seconds until one more write is allowed; none where it is now."""
        return max(self.minute.wait(now), self.hour.wait(now), self.shut_until - now, 0.0)

    def take(self, now: float) -> bool:
        """Count one write, if it is allowed now."""
        if self.wait(now) > 0:
            return False
        self.minute.times.append(now)
        self.hour.times.append(now)
        return True

    def shut(self, seconds: float, now: float) -> None:
        """Write nothing for so long: the forge asked for it."""
        self.shut_until = max(self.shut_until, now + seconds)

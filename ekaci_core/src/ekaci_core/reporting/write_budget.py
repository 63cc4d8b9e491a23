"""How much a forge may be written to: so much in any minute and so much in any hour, wherever they begin. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

from ekaci_core.api import WriteBudget
from ekaci_core.store.outbox import AccountUse

COUNTED_SECONDS: Final = 3600.0
"""For how long a write counts."""

_MINUTE: Final = 60.0


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
    def of(
        cls, budget: WriteBudget, use: AccountUse | None = None, *, now: float = 0.0, ahead: float = 0.0
    ) -> Allowance:
        """Begin with what is known to have been written, in this process or in one before it.

        Args:
            budget: what is allowed.
            use: what was written, in seconds since the epoch; None if nothing was.
            now: monotonic seconds.
            ahead: how many more seconds the epoch's clock shows just now than the monotonic one.
        """
        minute = Window(max(1, int(budget.per_minute)), _MINUTE)
        hour = Window(max(1, int(budget.per_hour)), COUNTED_SECONDS)
        if use is None:
            return cls(minute, hour)
        # A clock that was set back meanwhile must not shut us out for longer than a window lasts.
        times = [min(at - ahead, now) for at in use.times]
        minute.times.extend(times)
        hour.times.extend(times)
        return cls(minute, hour, min(use.shut_until - ahead, now + COUNTED_SECONDS))

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

"""What is stored has the time of day, which somebody may set while we run."""

from __future__ import annotations

from typing import Final

import attrs

from ekaci_core.api import Clock

_NOTICED_SECONDS: Final = 1.0


@attrs.frozen
class Moment:
    """When something was, on both clocks."""

    wall: float
    monotonic: float

    @classmethod
    def of(cls, clock: Clock) -> Moment:
        """Now."""
        return cls(clock.now(), clock.monotonic())

    def has_jumped(self, clock: Clock) -> bool:
        """Whether the time of day was set since then, or the machine slept."""
        elapsed = clock.monotonic() - self.monotonic
        return abs(clock.now() - self.wall - elapsed) > _NOTICED_SECONDS

    def precedes(self, at: float, clock: Clock) -> bool:
        """Whether something that is stored with a time was later, by the time of day as it was then or is now."""
        return at >= min(self.wall, clock.now() - (clock.monotonic() - self.monotonic))

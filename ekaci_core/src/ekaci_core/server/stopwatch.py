"""How long each stage took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ekaci_core.api import Clock
from ekaci_core.bus import Broadcast
from ekaci_core.model.event import ReviewEvent, StageStarted


class Stopwatch:
    """Measures stages by name, tells of each as it begins, and adds up what is measured twice."""

    def __init__(self, clock: Clock, events: Broadcast[ReviewEvent]) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock
        self._events = events
        self._began = clock.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the body."""
        self._events.send(StageStarted(name))
        began = self._clock.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self._clock.monotonic() - began

    def readings(self) -> dict[str, float]:
        """Return seconds by stage, in order, and the total so far."""
        return {**self.seconds, "total": self._clock.monotonic() - self._began}

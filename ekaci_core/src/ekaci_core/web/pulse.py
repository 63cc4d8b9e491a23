"""Whether the event loop that does the work turns: seen from another one, which answers all the same."""

from __future__ import annotations

import sys
import threading
import traceback
from types import FrameType
from typing import Final

import anyio

from ekaci_core.api import Clock, Logger
from ekaci_core.process.plain import one_line

BEAT_SECONDS: Final = 0.5
LATE_SECONDS: Final = 5.0
"""After so long without a beat the loop is stuck: something in it does not give way."""

_FRAMES: Final = 4


class Pulse:
    """Beats in one thread and is watched in another. What does not give way is named by where it is."""

    def __init__(self, clock: Clock, log: Logger, *, late_seconds: float = LATE_SECONDS) -> None:
        """Prepare, in the thread that will beat."""
        self._clock = clock
        self._log = log
        self._late_seconds = late_seconds
        self._thread = threading.get_ident()
        self._last = clock.monotonic()

    async def beat(self) -> None:
        """Say again and again that the loop turns, for ever."""
        while True:
            self._last = self._clock.monotonic()
            await anyio.sleep(BEAT_SECONDS)

    async def watch(self) -> None:
        """Tell when the loop gets stuck, and when it turns again, for ever."""
        stuck_since: float | None = None
        while True:
            await anyio.sleep(BEAT_SECONDS)
            if self._silence > self._late_seconds:
                if stuck_since is None:
                    stuck_since = self._last
                    self._log.warning("loop_stuck", seconds=round(self._silence, 1), at=self._whereabouts())
            elif stuck_since is not None:
                self._log.warning("loop_turns_again", after_seconds=round(self._last - stuck_since, 1))
                stuck_since = None

    async def check(self) -> str:
        """Return why work does not go on, or an empty text."""
        if self._silence <= self._late_seconds:
            return ""
        return f"nothing has been done for {self._silence:.0f} s: {self._whereabouts()}"

    @property
    def _silence(self) -> float:
        return self._clock.monotonic() - self._last

    def _whereabouts(self) -> str:
        """Name what runs there, the innermost first."""
        frame: FrameType | None = sys._current_frames().get(self._thread)  # noqa: SLF001 - documented, for debuggers
        if frame is None:
            return "its thread is gone"
        found = [f"{each.filename}:{each.lineno} {each.name}" for each in reversed(traceback.extract_stack(frame))]
        return one_line(" < ".join(found[:_FRAMES]), 500)

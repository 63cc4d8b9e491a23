"""The machine's clocks."""

from __future__ import annotations

import time


class SystemClock:
    """Time as the machine has it; tests pass their own."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

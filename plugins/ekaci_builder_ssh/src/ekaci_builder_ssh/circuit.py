"""When a machine that does not answer is left alone, and when it is asked again. Pure: time is an argument."""

from __future__ import annotations

from collections import deque

import attrs


@attrs.frozen
class CircuitSettings:
    """How patient we are with a machine.

    Attributes:
        failures: so many failed connections open the circuit,
        window_seconds: where they come within so long.
        first_probe_seconds: how long after opening the machine is asked again.
        most_seconds: each failed probe doubles the wait, up to so long.
        answer_seconds: a machine that does not answer a question within so long is a failed connection.
    """

    failures: int = 3
    window_seconds: float = 120
    first_probe_seconds: float = 30
    most_seconds: float = 600
    answer_seconds: float = 30


class Circuit:
    """Counts connections that failed. While it is open, nothing but a probe goes to the machine."""

    def __init__(self, settings: CircuitSettings | None = None) -> None:
        self._settings = settings or CircuitSettings()
        self._failed: deque[float] = deque()
        self._wait = 0.0
        self._probe_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the machine is left alone."""
        return self._probe_at is not None

    @property
    def probe_at(self) -> float | None:
        """When to ask the machine whether it is back; None while the circuit is closed."""
        return self._probe_at

    def succeeded(self) -> None:
        """Note that the machine answered."""
        self._failed.clear()
        self._probe_at = None

    def failed(self, now: float) -> None:
        """Note that a connection failed. While the circuit is open only a probe counts: see `probe_failed`."""
        if self.is_open:
            return
        self._failed.append(now)
        while now - self._failed[0] > self._settings.window_seconds:
            self._failed.popleft()
        if len(self._failed) >= self._settings.failures:
            self._failed.clear()
            self._wait = self._settings.first_probe_seconds
            self._probe_at = now + self._wait

    def probe_failed(self, now: float) -> None:
        """Note that it did not answer a probe either."""
        if self.is_open:
            self._wait = min(self._wait * 2, self._settings.most_seconds)
            self._probe_at = now + self._wait

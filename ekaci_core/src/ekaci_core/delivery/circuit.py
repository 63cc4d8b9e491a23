"""When a cache that does not answer is left alone, and when it is asked again. Pure: time is an argument."""

from __future__ import annotations

from collections import deque

import attrs


@attrs.frozen
class CircuitSettings:
    """How patient we are with a cache.

    Attributes:
        failures: so many failed calls leave it alone,
        window_seconds: where they come within so long.
        first_probe_seconds: how long after that it is asked again.
        most_seconds: each failed probe doubles the wait, up to so long.
    """

    failures: int = 3
    window_seconds: float = 120
    first_probe_seconds: float = 30
    most_seconds: float = 600


@attrs.define
class Circuit:
    """Counts calls that failed. While it is open, nothing but a probe goes to the cache, once its time has come."""

    settings: CircuitSettings = CircuitSettings()
    _failed: deque[float] = attrs.field(factory=deque, init=False)
    _wait: float = attrs.field(default=0.0, init=False)
    _probe_at: float | None = attrs.field(default=None, init=False)

    @property
    def is_open(self) -> bool:
        """Whether the cache is left alone."""
        return self._probe_at is not None

    def wait(self, now: float) -> float:
        """Return the seconds until it may be called."""
        return 0.0 if self._probe_at is None else max(0.0, self._probe_at - now)

    def succeeded(self) -> None:
        """Note that the cache answered."""
        self._failed.clear()
        self._probe_at = None

    def failed(self, now: float) -> None:
        """Note that a call failed. Those that began before it was opened, and end after that, do not count."""
        if self._probe_at is not None:
            if now >= self._probe_at:
                self._open(min(self._wait * 2, self.settings.most_seconds), now)
            return
        self._failed.append(now)
        while now - self._failed[0] > self.settings.window_seconds:
            self._failed.popleft()
        if len(self._failed) >= self.settings.failures:
            self._open(self.settings.first_probe_seconds, now)

    def trip(self, now: float) -> None:
        """Note that it cannot work as it is configured: leave it alone for as long as possible."""
        self._open(self.settings.most_seconds, now)

    def hurry(self, now: float) -> None:
        """Let a probe go at once: somebody has reason to think that the cache is back."""
        if self._probe_at is not None:
            self._probe_at = now

    def _open(self, wait: float, now: float) -> None:
        self._failed.clear()
        self._wait = wait
        self._probe_at = now + wait

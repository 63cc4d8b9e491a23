"""GitHub's rate limits: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Final

import attrs
from tests.standins.github.exchange import Answer, Call, Problem, answers

HOUR: Final = 3600.0
MINUTE: Final = 60.0


@attrs.define
class Window:
    """How many requests somebody made in the hour that began at ``since``."""

    since: float
    used: int = 0


@attrs.define
class Limits:
    """What each caller may do. The second and third are the secondary limits of requests that make content."""

    now: Callable[[], float]
    hourly: int = 5000
    writes_a_minute: int = 80
    writes_an_hour: int = 500
    secondary_status: int = 403
    """GitHub answers 403 or 429, as it likes."""
    _windows: dict[str, Window] = attrs.field(factory=dict)
    _writes: dict[str, deque[float]] = attrs.field(factory=lambda: defaultdict(deque))

    def forget(self) -> None:
        """Begin to count anew."""
        self._windows.clear()
        self._writes.clear()

    def window(self, caller: str) -> Window:
        """Return how much a caller has used of the present hour."""
        now = self.now()
        if caller not in self._windows or now >= self._windows[caller].since + HOUR:
            self._windows[caller] = Window(now)
        return self._windows[caller]

    def headers(self, caller: str) -> dict[str, str]:
        """Return what every answer says of the primary limit."""
        window = self.window(caller)
        return {
            "x-ratelimit-limit": str(self.hourly),
            "x-ratelimit-remaining": str(max(self.hourly - window.used, 0)),
            "x-ratelimit-used": str(window.used),
            "x-ratelimit-reset": str(int(window.since + HOUR)),
            "x-ratelimit-resource": "core",
        }

    def check(self, caller: str, *, makes_content: bool) -> None:
        """Count a request.

        Raises:
            Problem: it was one too many.
        """
        window = self.window(caller)
        window.used += 1
        if window.used > self.hourly:
            raise Problem(403, f"API rate limit exceeded for installation ID {caller}.")
        if makes_content:
            self._check_writes(self._writes[caller])

    def _check_writes(self, writes: deque[float]) -> None:
        now = self.now()
        while writes and writes[0] <= now - HOUR:
            writes.popleft()
        for span, most in ((MINUTE, self.writes_a_minute), (HOUR, self.writes_an_hour)):
            within = [each for each in writes if each > now - span]
            if len(within) >= most:
                message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
                raise Problem(self.secondary_status, message, retry_after=str(max(int(within[0] + span - now) + 1, 1)))
        writes.append(now)


@answers("rate-limit/get")
def rate_limit(call: Call) -> Answer:
    """Say little; the headers say it all."""
    del call
    return Answer({})

"""GitLab's rate limits: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Final

import attrs
from tests.standins.github.exchange import Answer
from tests.standins.gitlab.exchange import Problem

MINUTE: Final = 60.0


class TooMany(Problem):
    """What GitLab says to who asks too much: no JSON."""

    def __init__(self, seconds: int) -> None:
        super().__init__(429, "Retry later")
        headers = {"retry-after": str(seconds), "content-type": "text/plain"}
        self.answer = Answer(status=429, content=b"Retry later\n", headers=headers)


@attrs.define
class Limits:
    """What each account may do in a minute: requests, and notes."""

    now: Callable[[], float]
    requests: int = 2000
    notes: int = 300
    _asked: dict[int, deque[float]] = attrs.field(factory=lambda: defaultdict(deque))
    _written: dict[int, deque[float]] = attrs.field(factory=lambda: defaultdict(deque))

    def forget(self) -> None:
        """Begin to count anew."""
        self._asked.clear()
        self._written.clear()

    def headers(self, caller: int) -> dict[str, str]:
        """Return what every answer says of the limit of requests."""
        used = len(self._asked[caller])
        return {
            "ratelimit-limit": str(self.requests),
            "ratelimit-name": "throttle_authenticated_api",
            "ratelimit-observed": str(used),
            "ratelimit-remaining": str(max(self.requests - used, 0)),
            "ratelimit-reset": str(int(self.now() + MINUTE)),
        }

    def check(self, caller: int, *, notes: bool) -> None:
        """Count a request.

        Raises:
            TooMany: it was one too many.
        """
        self._count(self._asked[caller], self.requests)
        if notes:
            self._count(self._written[caller], self.notes)

    def _count(self, times: deque[float], most: int) -> None:
        now = self.now()
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= most:
            raise TooMany(int(times[0] + MINUTE - now) + 1)
        times.append(now)

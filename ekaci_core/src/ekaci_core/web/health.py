"""What service managers and load balancers ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ekaci_core.api import Clock, EkaciError
from ekaci_core.store.delivery import Deliveries
from ekaci_core.web.answers import json_answer

CHECK_SECONDS: Final = 5.0
"""The longest time that one check may take; then it failed."""
KEPT_SECONDS: Final = 1.0
"""For so long an answer is given again without looking, so that asking costs nothing."""

ReadyCheck = Callable[[], Awaitable[str]]
"""Looks at one thing; returns why it is not ready, or an empty text."""

_UNAVAILABLE: Final = 503


class Readiness:
    """Whether the server can take work: every check says so, and it is not stopping."""

    def __init__(self, checks: Mapping[str, ReadyCheck], clock: Clock, *, check_seconds: float = CHECK_SECONDS) -> None:
        """Prepare.

        Args:
            checks: what is looked at, by the name under which a reason is told.
            clock: for how old an answer is.
            check_seconds: the longest time that one check may take.
        """
        self._checks = dict(checks)
        self._clock = clock
        self._check_seconds = check_seconds
        self._stopping = False
        self._asked = anyio.Lock()
        self._answer: dict[str, str] = {}
        self._answered_at: float | None = None

    @property
    def stopping(self) -> bool:
        """Whether the server has begun to stop."""
        return self._stopping

    def stop(self) -> None:
        """Be not ready from now on."""
        self._stopping = True

    async def reasons(self) -> Mapping[str, str]:
        """Return why the server is not ready, by what was looked at; empty where it is."""
        if self._stopping:
            return {"server": "it is stopping"}
        async with self._asked:
            now = self._clock.monotonic()
            if self._answered_at is None or now - self._answered_at > KEPT_SECONDS:
                self._answer = {name: text for name, check in self._checks.items() if (text := await self._ask(check))}
                self._answered_at = self._clock.monotonic()
            return self._answer

    async def _ask(self, check: ReadyCheck) -> str:
        try:
            with anyio.fail_after(self._check_seconds):
                return await check()
        except TimeoutError:
            return f"no answer within {self._check_seconds:g} s"
        except EkaciError as fault:
            return str(fault)


def store_check(store: Deliveries) -> ReadyCheck:
    """Look whether deliveries can be stored."""

    async def check() -> str:
        await store.check_writing()
        return ""

    return check


def health_routes(readiness: Readiness) -> list[Route]:
    """``/healthz``: the process lives, whatever else it does. ``/readyz``: it can take work."""

    async def healthz(request: Request) -> Response:
        del request
        return json_answer(200, {"status": "alive"})

    async def readyz(request: Request) -> Response:
        del request
        reasons = await readiness.reasons()
        if reasons:
            return json_answer(_UNAVAILABLE, {"status": "not ready", "reasons": dict(reasons)}, {"retry-after": "5"})
        return json_answer(200, {"status": "ready", "reasons": {}})

    return [Route("/healthz", healthz, methods=["GET"]), Route("/readyz", readyz, methods=["GET"])]

"""What forges tell: checked, stored, acknowledged, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import anyio
import anyio.to_thread
import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ekaci_core.api import Clock, InfrastructureFault, Logger, Received, Refused, WebhookRequest
from ekaci_core.process.plain import one_line
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.store.delivery import Deliveries
from ekaci_core.web.answers import failure, json_answer
from ekaci_core.web.bodies import BodyRefused, BodyRoom

LARGE_BYTES: Final = 1_000_000
"""Larger bodies are checked in a thread, so that nothing else waits for them."""
STORE_SECONDS: Final = 8.0
"""GitHub waits ten seconds for an answer: https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks"""
RETRY_SECONDS: Final = 30

_ACCEPTED: Final = 202
_KNOWN: Final = 200
_BAD_REQUEST: Final = 400
_UNAUTHORISED: Final = 401
_SERVER_ERRORS: Final = 500
_UNAVAILABLE: Final = 503
_NAME_CHARACTERS: Final = 200


@attrs.frozen
class _Taken:
    """A delivery with the forge that believes it."""

    at: OpenForge
    received: Received


class Webhooks:
    """Serves ``POST`` at the webhook path of every type of forge."""

    def __init__(
        self,
        inbox: Deliveries,
        forges: Mapping[str, Sequence[OpenForge]],
        *,
        clock: Clock,
        log: Logger,
        stored: Callable[[], object],
        stopping: Callable[[], bool],
        room: BodyRoom | None = None,
    ) -> None:
        """Prepare.

        Args:
            inbox: where deliveries go.
            forges: by path, those that are open; with none the path answers 503.
            clock: says when a delivery came.
            log: gets one line for each request.
            stored: called when a delivery was stored.
            stopping: whether the server has begun to stop; then nothing is taken.
            room: the limits of bodies.
        """
        self._inbox = inbox
        self._forges = {path: tuple(each) for path, each in forges.items()}
        self._clock = clock
        self._log = log
        self._stored = stored
        self._stopping = stopping
        self._room = room or BodyRoom()
        self._large = anyio.CapacityLimiter(2)

    def routes(self) -> list[Route]:
        """Return a route for each path."""
        return [Route(path, self._receive, methods=["POST"]) for path in self._forges]

    async def _receive(self, request: Request) -> Response:
        forges = self._forges[request.scope["path"]]
        if self._stopping():
            return self._refused(request, _UNAVAILABLE, "the server is stopping", close=True)
        if not forges:
            return self._refused(request, _UNAVAILABLE, "no forge of this type is configured", close=True)
        try:
            body = await self._room.read(request)
        except BodyRefused as refused:
            return self._refused(request, refused.status, refused.reason, close=True)
        try:
            return await self._take(request, forges, body)
        finally:
            self._room.release(len(body))

    async def _take(self, request: Request, forges: Sequence[OpenForge], body: bytes) -> Response:
        inbound = WebhookRequest(_headers(request), body)
        if len(body) > LARGE_BYTES:
            taken = await anyio.to_thread.run_sync(_received, forges, inbound, limiter=self._large)
        else:
            taken = _received(forges, inbound)
        if isinstance(taken, Refused):
            return self._refused(request, taken.status, taken.reason)
        try:
            with anyio.fail_after(STORE_SECONDS):
                new = await self._store(taken)
        except TimeoutError:
            return self._refused(request, _UNAVAILABLE, "the delivery could not be stored in time")
        except InfrastructureFault as fault:
            return self._refused(request, _UNAVAILABLE, "the delivery could not be stored", log=str(fault))
        if new:
            self._stored()
        name = taken.received.delivery
        self._log.info(
            "webhook",
            forge=taken.at.type,
            instance=taken.at.instance,
            delivery=name,
            kind=one_line(taken.received.kind, 100),
            bytes=len(body),
            new=new,
        )
        return json_answer(_ACCEPTED if new else _KNOWN, {"delivery": name, "new": new})

    async def _store(self, taken: _Taken) -> bool:
        received = taken.received
        return await self._inbox.add_delivery(
            taken.at.type,
            taken.at.instance,
            received.delivery,
            received.kind,
            received.payload,
            now=self._clock.now(),
        )

    def _refused(self, request: Request, status: int, reason: str, *, log: str = "", close: bool = False) -> Response:
        client = one_line(request.client.host, 100) if request.client else ""
        why = one_line(log or reason, 300)
        self._log.warning("webhook_refused", path=request.scope["path"], status=status, reason=why, client=client)
        retry = RETRY_SECONDS if status >= _SERVER_ERRORS else None
        return failure(status, one_line(reason, 300), retry_after_seconds=retry, close=close)


def _headers(request: Request) -> dict[str, str]:
    """Names come in lower case. Of one that stands there twice the first counts: nobody can add a better one."""
    result: dict[str, str] = {}
    for name, value in request.headers.items():
        result.setdefault(name, value)
    return result


def _received(forges: Sequence[OpenForge], request: WebhookRequest) -> _Taken | Refused:
    refusals: list[Refused] = []
    for each in forges:
        answer = each.forge.receive(request)
        if isinstance(answer, Refused):
            refusals.append(answer)
        elif not answer.delivery.isprintable() or not 0 < len(answer.delivery) <= _NAME_CHARACTERS:
            return Refused(_BAD_REQUEST, "the delivery has no name that can be used")
        else:
            return _Taken(each, answer)
    return min(refusals, key=_order)


def _order(refusal: Refused) -> tuple[bool, bool, int]:
    """Order refusals: what is wrong with the request itself, then a signature that is not ours, then our own faults."""
    return refusal.status >= _SERVER_ERRORS, refusal.status == _UNAUTHORISED, refusal.status

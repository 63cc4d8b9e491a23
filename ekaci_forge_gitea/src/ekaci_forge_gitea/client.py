"""Requests to Gitea's REST API: pauses obeyed, reads tried again, pages turned, answers understood.

https://docs.gitea.com/development/api-usage
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

import anyio
import attrs

from ekaci_core.api import Clock, Logger, RepositoryId, Secret
from ekaci_core.api.fields import Malformed, loaded
from ekaci_forge_gitea.config import Addresses
from ekaci_forge_gitea.faults import (
    FORBIDDEN,
    SERVER_ERROR,
    TOO_MANY,
    UNAUTHORIZED,
    ApiFault,
    Misdirected,
    TooLong,
    one_line,
)
from ekaci_forge_gitea.limits import pause_after
from ekaci_forge_gitea.tokens import Tokens
from ekaci_forge_gitea.transport import Answer, Transport

# MAX_RESPONSE_ITEMS is 50 where nobody changed it; a server that allows less gives less.
PAGE: Final = 50

_REQUESTER: Final = "EkaCI"
_MOST_BYTES: Final = 16 * 1024 * 1024
_MOST_PAGES: Final = 400
_PAUSES: Final = (0.5, 1.0)
_REDIRECTIONS: Final = 3
_BAD: Final = 300
_MOVED: Final = (301, 302, 303, 307, 308)
_KEEPS_METHOD: Final = (307, 308)


@attrs.frozen
class Call:
    """A request.

    Attributes:
        method: as in HTTP.
        path: below the API, with names already quoted.
        query: what stands behind the question mark.
        body: what is sent as JSON; None for nothing.
        most_bytes: of the answer.
        repeatable: whether it may be sent again where the answer was lost.
    """

    method: str
    path: str
    query: Mapping[str, str | int] = attrs.field(factory=dict)
    body: Any = None
    most_bytes: int = _MOST_BYTES
    repeatable: bool = False

    @property
    def shown(self) -> str:
        """How faults name it: without its query."""
        return f"{self.method} {self.path}"


@attrs.frozen
class Surroundings:
    """Where an instance is, the token for it, and what is the server's."""

    addresses: Addresses
    tokens: Tokens
    clock: Clock
    log: Logger


@attrs.frozen
class Reply:
    """An answer that is well; ``data`` is None where it has no body. ``total`` is of all pages, where it is told."""

    status: int
    data: Any
    total: int | None = None


class Client:
    """Sends calls with the token of the instance."""

    def __init__(self, around: Surroundings, transport: Transport) -> None:
        """Take what is open."""
        self._addresses = around.addresses
        self._tokens = around.tokens
        self._clock = around.clock
        self._log = around.log
        self._transport = transport
        self._quiet_until = 0.0

    async def call(self, call: Call) -> Reply:
        """Send a call, once more with a new token where the one we have is refused.

        Raises:
            ApiFault: no success, with the status and how long to wait.
            UsageFault: the source of the token has none any more.
            InfrastructureFault: it cannot be reached.
        """
        lease = await self._tokens.lease()
        try:
            return await self._tried(call, self._tokens.of(lease))
        except ApiFault as fault:
            if fault.status != UNAUTHORIZED:
                raise
            renewed = await self._tokens.renewed(lease)
            if self._tokens.of(renewed) == self._tokens.of(lease):
                raise
        return await self._tried(call, self._tokens.of(renewed))

    async def pages(self, call: Call, key: str = "") -> AsyncIterator[Any]:
        """Yield the items of all pages; ``key`` names the list where the answer is an object.

        A server gives fewer than were asked for where its operator wants that, and not every list says how many there
        are: the end is where nothing comes, or as many have come as there are.
        """
        before: list[Any] = []
        seen = 0
        for page in range(1, _MOST_PAGES + 1):
            reply = await self.call(attrs.evolve(call, query={**call.query, "page": page, "limit": PAGE}))
            items = items_of(reply, key, call)
            if not items or items == before:
                return  # the same again: it knows no pages
            for item in items:
                yield item
            before, seen = items, seen + len(items)
            if reply.total is not None and seen >= reply.total:
                return

    async def _tried(self, call: Call, token: Secret) -> Reply:
        for pause in _PAUSES if call.method == "GET" or call.repeatable else ():
            try:
                return await self._once(call, token)
            except ApiFault as fault:
                may_pass = fault.status == 0 or fault.status >= SERVER_ERROR
                if not may_pass or fault.retry_after_seconds is not None or isinstance(fault, TooLong | Misdirected):
                    raise
                self._log.debug("gitea_asked_again", call=call.shown, reason=fault.what)
            await anyio.sleep(pause)
        return await self._once(call, token)

    async def _once(self, call: Call, token: Secret) -> Reply:
        left = self._quiet_until - self._clock.monotonic()
        if left > 0:
            raise ApiFault(
                "Gitea asks for a pause", status=TOO_MANY, retry_after_seconds=left, where=call.shown, do="wait"
            )
        answer = await self._answered(call, token)
        if answer.status >= _BAD:
            raise self._fault(call, answer, _said(answer), token)
        return Reply(answer.status, self._understood(call, answer), _total(answer))

    async def _answered(self, call: Call, token: Secret) -> Answer:
        fields = {
            "accept": "application/json",
            "user-agent": _REQUESTER,
            "authorization": f"token {token.reveal()}",
        }
        body = b""
        if call.body is not None:
            body = json.dumps(call.body).encode()
            fields["content-type"] = "application/json"
        url = f"{self._addresses.api}{call.path}" + (f"?{urlencode(call.query)}" if call.query else "")
        for _ in range(_REDIRECTIONS):
            answer = await self._transport.send(
                call.method, url, fields, body, most_bytes=call.most_bytes, where=call.shown
            )
            target = answer.fields.get("location", "")
            if answer.status not in _MOVED or not target:
                return answer
            if call.method != "GET" and answer.status not in _KEEPS_METHOD:
                return answer
            # A repository that was renamed.
            url = urljoin(url, target)
            self._check_ours(url, call.shown)
        raise Misdirected("too many redirections", where=call.shown)

    def _check_ours(self, url: str, shown: str) -> None:
        """Refuse to follow to where the token must not go."""
        wanted, found = urlsplit(self._addresses.api), urlsplit(url)
        if (wanted.scheme, wanted.netloc) != (found.scheme, found.netloc):
            raise Misdirected("Gitea points to another address", where=shown, do="write the domain of its ROOT_URL")

    def _understood(self, call: Call, answer: Answer) -> Any:
        if not answer.body.strip():
            return None
        try:
            return loaded(answer.body)
        except Malformed:
            # What answers is no Gitea, or a part of it that is broken.
            raise ApiFault(
                f"the answer ({answer.status}) is not in the form of Gitea's API",
                status=answer.status,
                where=call.shown,
            ) from None

    def _fault(self, call: Call, answer: Answer, said: str, token: Secret) -> ApiFault:
        text = one_line(said.replace(token.reveal(), str(token)))
        pause = pause_after(answer.status, answer.fields, self._clock.now())
        if pause is not None and answer.status < SERVER_ERROR:
            self._quiet_until = self._clock.monotonic() + pause
            self._log.warning("gitea_asks_for_quiet", host=self._addresses.host, seconds=round(pause))
        return ApiFault(
            f"Gitea answered {answer.status}" + (f": {text}" if text else ""),
            status=answer.status,
            retry_after_seconds=pause,
            where=call.shown,
            do=_advice(answer.status, pause),
        )


def path_of(repository: RepositoryId) -> str:
    """Return the path of a repository below the API."""
    return f"/repos/{quote(repository.owner, safe='')}/{quote(repository.name, safe='')}"


def items_of(reply: Reply, key: str, call: Call) -> list[Any]:
    """Return the items of one page; null is an empty one.

    Raises:
        ApiFault: the answer holds no list.
    """
    data = reply.data
    if key and data is not None:
        data = data.get(key) if isinstance(data, dict) else "no object"
    if not isinstance(data, list | None):
        raise ApiFault("Gitea's answer holds no list", status=reply.status, where=call.shown)
    return data or []


def strange(error: Malformed, call: Call) -> ApiFault:
    """Say that an answer is not what it should be."""
    return ApiFault(f"Gitea's answer is not understood: {error}", where=call.shown)


def _total(answer: Answer) -> int | None:
    text = answer.fields.get("x-total-count", "").strip()
    return int(text) if text.isdecimal() else None


def _said(answer: Answer) -> str:
    try:
        document = loaded(answer.body)
    except Malformed:
        return ""
    message = document.get("message") if isinstance(document, dict) else None
    return message if isinstance(message, str) else ""


def _advice(status: int, pause: float | None) -> str:
    if pause is not None:
        return "wait; it is tried again"
    if status == UNAUTHORIZED:
        return "make a new access token; this one is refused"
    if status == FORBIDDEN:
        return "see with `ekaci forge check` what the token's account may not do, and which scopes the token needs"
    return "see whether the service is well; it is tried again"

"""Requests to GitLab's API: limits obeyed, reads tried again, answers understood."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

import anyio
import attrs
from gidgetlab import sansio
from gidgetlab.exceptions import HTTPException

from ekaci_core.api import Clock, Logger, Secret
from ekaci_forge_gitlab.config import Addresses
from ekaci_forge_gitlab.faults import FORBIDDEN, SERVER_ERROR, TOO_MANY, UNAUTHORIZED, ApiFault, Misdirected, one_line
from ekaci_forge_gitlab.limits import pause_after, until_reset
from ekaci_forge_gitlab.transport import Answer, TooLong, Transport

_REQUESTER: Final = "EkaCI"
_MOST_BYTES: Final = 16 * 1024 * 1024
_REMEMBERED_BYTES: Final = 256 * 1024
_REMEMBERED: Final = 256
_PAUSES: Final = (0.5, 1.0)
_REDIRECTIONS: Final = 3
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_MOVED: Final = (301, 302, 307, 308)
_KEEPS_METHOD: Final = (307, 308)


@attrs.frozen
class Call:
    """A request.

    Attributes:
        method: as in HTTP.
        address: a path below the API, with names already quoted, or a whole address that GitLab gave.
        query: what stands behind the question mark.
        body: what is sent as JSON; None for nothing.
        raw: whether the answer's data are bytes.
        most_bytes: of the answer.
        conditional: whether an answer that has not changed need not be sent again.
        repeatable: whether it may be sent again where the answer was lost.
    """

    method: str
    address: str
    query: Mapping[str, str | int] = attrs.field(factory=dict)
    body: Any = None
    raw: bool = False
    most_bytes: int = _MOST_BYTES
    conditional: bool = False
    repeatable: bool = False

    @property
    def shown(self) -> str:
        """How faults name it: without its query."""
        return f"{self.method} {urlsplit(self.address).path}"


@attrs.frozen
class Reply:
    """An answer that is well. ``following`` is the address of the next page."""

    status: int
    data: Any
    following: str | None = None


class Client:
    """Sends calls with a token, whoever's it is."""

    def __init__(self, addresses: Addresses, transport: Transport, clock: Clock, log: Logger) -> None:
        self._addresses = addresses
        self._transport = transport
        self._clock = clock
        self._log = log
        self._quiet_until = 0.0
        self._remembered: OrderedDict[str, tuple[str, Reply]] = OrderedDict()

    async def call(self, call: Call, token: Secret) -> Reply:
        """Send a call and return the answer. Nothing is sent while GitLab asks for quiet.

        Args:
            call: what to send.
            token: goes with it, to GitLab's own host only.

        Raises:
            ApiFault: no success, with the status and how long to wait.
        """
        pauses = _PAUSES if call.method == "GET" or call.repeatable else ()
        for pause in pauses:
            try:
                return await self._once(call, token)
            except ApiFault as fault:
                may_pass = fault.status == 0 or fault.status >= SERVER_ERROR
                if not may_pass or fault.retry_after_seconds is not None or isinstance(fault, TooLong | Misdirected):
                    raise
                self._log.debug("gitlab_asked_again", call=call.shown, reason=fault.what)
            await anyio.sleep(pause)
        return await self._once(call, token)

    async def _once(self, call: Call, token: Secret) -> Reply:
        left = self._quiet_until - self._clock.monotonic()
        if left > 0:
            raise ApiFault(
                "GitLab asks for a pause", status=TOO_MANY, retry_after_seconds=left, where=call.shown, do="wait"
            )
        url = self._url(call)
        known = self._remembered.get(url) if call.conditional else None
        answer = await self._answered(call, url, token, known[0] if known else None)
        if answer.status == _NOT_MODIFIED and known is not None:
            return known[1]
        reply = self._understood(call, answer, token)
        spent = until_reset(answer.fields, self._clock.now())
        if spent is not None:
            self._be_quiet(spent)
        etag = answer.fields.get("etag")
        if call.conditional and etag and len(answer.body) <= _REMEMBERED_BYTES:
            self._remembered[url] = (etag, reply)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return reply

    def _url(self, call: Call) -> str:
        if not call.address.startswith("/"):
            self._check_ours(call.address, call.shown)
            return call.address
        query = f"?{urlencode(call.query)}" if call.query else ""
        return f"{self._addresses.api}{call.address}{query}"

    def _check_ours(self, url: str, shown: str) -> None:
        """Refuse an address that GitLab gave and that is not GitLab's: a token would go with it."""
        wanted, found = urlsplit(self._addresses.api), urlsplit(url)
        if (wanted.scheme, wanted.netloc) != (found.scheme, found.netloc):
            raise Misdirected(
                "GitLab points to another host", where=shown, do="write its own host (external_url) as domain"
            )

    async def _answered(self, call: Call, url: str, token: Secret, etag: str | None) -> Answer:
        fields = sansio.create_headers(_REQUESTER, access_token=token.reveal())
        if call.raw:
            fields["accept"] = "*/*"
        if etag:
            fields["if-none-match"] = etag
        body = b""
        if call.body is not None:
            body = json.dumps(call.body).encode()
            fields["content-type"] = "application/json"
        for _ in range(_REDIRECTIONS):
            answer = await self._transport.send(
                call.method, url, fields, body, most_bytes=call.most_bytes, where=call.shown
            )
            target = answer.fields.get("location", "")
            follows = call.method == "GET" or answer.status in _KEEPS_METHOD
            if answer.status not in _MOVED or not target or not follows:
                return answer
            # A project that was renamed.
            url = urljoin(url, target)
            self._check_ours(url, call.shown)
        raise Misdirected("too many redirections", where=call.shown)

    def _understood(self, call: Call, answer: Answer, token: Secret) -> Reply:
        if call.raw and answer.status == _OK:
            return Reply(answer.status, answer.body)
        try:
            data, _, following = sansio.decipher_response(answer.status, answer.fields, answer.body)
        except HTTPException as error:
            raise self._fault(call, answer, _said(answer, str(error)), token) from None
        except (ValueError, LookupError, TypeError, AttributeError):
            # What answers is no GitLab, or a part of it that is broken; or its words are none that the library knows.
            raise self._fault(call, answer, _said(answer, "not in the form of GitLab's API"), token) from None
        if isinstance(data, str):
            # A proxy's page, or what GitLab sends while it is updated.
            raise self._fault(call, answer, "not in the form of GitLab's API", token)
        return Reply(answer.status, data, following)

    def _fault(self, call: Call, answer: Answer, said: str, token: Secret) -> ApiFault:
        text = one_line(said.replace(token.reveal(), str(token)))
        pause = pause_after(answer.status, answer.fields, self._clock.now())
        if pause is not None and answer.status < SERVER_ERROR:
            self._be_quiet(pause)
        return ApiFault(
            f"GitLab answered {answer.status}: {text}",
            status=answer.status,
            retry_after_seconds=pause,
            where=call.shown,
            do=_advice(answer.status, pause),
        )

    def _be_quiet(self, seconds: float) -> None:
        self._quiet_until = self._clock.monotonic() + seconds
        self._log.warning("gitlab_asks_for_quiet", host=self._addresses.host, seconds=round(seconds))


def _said(answer: Answer, otherwise: str) -> str:
    """Return GitLab's reason: a text, a list of them, or texts by field, as ``message`` or as ``error``.

    https://docs.gitlab.com/api/rest/troubleshooting/#status-code-400
    """
    try:
        body = json.loads(answer.body)
    except ValueError:
        return otherwise
    found = (body.get("message") or body.get("error")) if isinstance(body, dict) else None
    if not found:
        return otherwise
    return found if isinstance(found, str) else json.dumps(found)


def _advice(status: int, pause: float | None) -> str:
    if pause is not None:
        return "wait; it is tried again"
    if status == UNAUTHORIZED:
        return "see that the token is right, and has not expired or been revoked"
    if status == FORBIDDEN:
        return "see with `ekaci forge check` which scope or role the token lacks"
    return "see whether the service is well; it is tried again"

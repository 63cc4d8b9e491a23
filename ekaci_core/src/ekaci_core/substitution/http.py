"""Binary caches over HTTP.

Small files come over connections of our own (`lanes`); the library does what is out of the ordinary.
"""

from __future__ import annotations

import base64
import random
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from ekaci_core.api import Clock
from ekaci_core.nix.narinfo import NARINFO_BYTES
from ekaci_core.substitution.addresses import CacheAddress
from ekaci_core.substitution.answer import Malformed
from ekaci_core.substitution.cache import CacheFailed
from ekaci_core.substitution.decoding import Undecodable, decoder_for
from ekaci_core.substitution.lanes import Broken, Lanes, Origin
from ekaci_core.substitution.patience import Circuit, delay, retry_after

if TYPE_CHECKING:
    from ekaci_core.substitution.library import Library, Opened

# As with Nix, what must not be seen is as good as not there.
_ABSENT: Final = frozenset({401, 403, 404, 407, 410})
_PASSING: Final = frozenset({408, 425, 429, *range(500, 600)} - {501, 505, 511})
_SLOW_DOWN: Final = frozenset({429, 503})
_REDIRECTIONS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_FIELDS: Final = {"User-Agent": "ekaci", "Accept": "*/*", "Accept-Encoding": "identity"}
_TOO_SLOW: Final = "it takes too long to answer"


@attrs.frozen
class Patience:
    """How long a cache is waited for: seconds for one attempt and for all at one file, and how many attempts."""

    attempt_seconds: float = 10.0
    lookup_seconds: float = 20.0
    attempts: int = 5
    connect_seconds: float = 5.0


class HttpAccess:
    """What all caches over HTTP share, made when it is first needed."""

    def __init__(self, environment: Mapping[str, str], *, connections: int, patience: Patience) -> None:
        """Make nothing yet; ``environment`` is that of Nix's programs, and says whose certificates are believed."""
        self.patience = patience
        self._environment = environment
        self._connections = connections
        self._stack = AsyncExitStack()

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The certificates that Nix believes, or those of the system."""
        file = self._environment.get("NIX_SSL_CERT_FILE") or self._environment.get("SSL_CERT_FILE")
        return ssl.create_default_context(cafile=file or None)

    @cached_property
    def library(self) -> Library:
        """What does all that lanes do not."""
        from ekaci_core.substitution.library import Library  # noqa: PLC0415 - see there

        library = Library(
            self.tls,
            _FIELDS,
            connections=self._connections,
            seconds=self.patience.attempt_seconds,
            connect=self.patience.connect_seconds,
        )
        self._stack.push_async_callback(library.close)
        return library

    def lanes(self, address: CacheAddress) -> Lanes | None:
        """Return connections of our own to a cache; None where a proxy stands between."""
        scheme = address.url.partition(":")[0]
        proxies = urllib.request.getproxies()
        if (scheme in proxies or "all" in proxies) and not urllib.request.proxy_bypass(address.host):
            return None
        more = {}
        if address.credentials:
            more["Authorization"] = "Basic " + base64.b64encode(":".join(address.credentials).encode()).decode()
        origin = Origin.of(address.url, self.tls if scheme == "https" else None, _FIELDS | more)
        lanes = Lanes(origin, connect_seconds=self.patience.connect_seconds)
        self._stack.push_async_callback(lanes.close)
        return lanes

    async def close(self) -> None:
        """Close all connections."""
        await self._stack.aclose()


class _Passing(Exception):
    """A failure that another attempt may mend; ``wait``: what the cache asks for, seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class HttpCache:
    """Asks one cache, again where that may help, and leaves it alone for a while when it does not answer."""

    def __init__(self, access: HttpAccess, address: CacheAddress, clock: Clock) -> None:
        """Connect to nothing yet."""
        self.address = address
        self._access = access
        self._clock = clock
        self._patience = access.patience
        self._circuit = Circuit()
        self._reason = ""
        self._lanes = access.lanes(address)

    async def get(self, name: str) -> bytes | None:
        """See `BinaryCache`."""
        with anyio.move_on_after(self._patience.lookup_seconds):
            return await self._get(name)
        raise self._failed(_TOO_SLOW)

    @asynccontextmanager
    async def stream(self, name: str) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """See `BinaryCache`."""
        self._refuse_if_open()
        try:
            async with self._access.library.opened(self._url(name), self.address.credentials) as answer:
                there = self._is_there(answer.status, answer.fields)
                yield _told_as_failure(_unpacked(answer)) if there else None
        except (_Passing, Broken) as failure:
            raise CacheFailed(failure.reason) from None

    async def _get(self, name: str) -> bytes | None:
        attempt = 0
        while True:
            self._refuse_if_open()
            attempt += 1
            try:
                with anyio.fail_after(self._patience.attempt_seconds):
                    data = await self._once(name)
            except (_Passing, Broken, TimeoutError) as failure:
                reason = _TOO_SLOW if isinstance(failure, TimeoutError) else failure.reason
                asked_for = failure.wait if isinstance(failure, _Passing) else None
                wait = delay(attempt, asked_for, random.random())  # noqa: S311 - nothing secret about it
                if wait is None or attempt >= self._patience.attempts:
                    raise self._failed(reason, wait=asked_for if wait is None else None) from None
                await anyio.sleep(wait)
            else:
                self._circuit.succeeded()
                return data

    async def _once(self, name: str) -> bytes | None:
        if self._lanes is not None:
            try:
                answer = await self._lanes.get(name, limit=NARINFO_BYTES)
            except Malformed as error:
                raise CacheFailed(f"its answer makes no sense: {error}") from None
            if answer.status not in _REDIRECTIONS:
                if not self._is_there(answer.status, answer.fields):
                    return None
                if "content-encoding" not in answer.fields:
                    return answer.body
                return await _whole(_decoded(_one(answer.body), answer.fields))
            # A cache that has moved has moved as a whole; the library finds the way.
            self._lanes = None
        async with self._access.library.opened(self._url(name), self.address.credentials) as answer_to_read:
            if not self._is_there(answer_to_read.status, answer_to_read.fields):
                return None
            return await _whole(_unpacked(answer_to_read))

    def _url(self, name: str) -> str:
        return f"{self.address.url}/{name}"

    def _is_there(self, status: int, fields: Mapping[str, str]) -> bool:
        if status in _PASSING:
            wait = retry_after(fields.get("retry-after"), self._clock.now()) if status in _SLOW_DOWN else None
            raise _Passing(f"it answers with status {status}", wait)
        if status in _ABSENT:
            return False
        if status != _OK:
            raise CacheFailed(f"it answers with status {status}")
        return True

    def _refuse_if_open(self) -> None:
        if self._circuit.is_open(self._clock.monotonic()):
            raise CacheFailed(self._reason)

    def _failed(self, reason: str, *, wait: float | None = None) -> CacheFailed:
        self._reason = reason
        self._circuit.failed(self._clock.monotonic(), wait=wait)
        return CacheFailed(reason)


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _whole(pieces: AsyncIterator[bytes]) -> bytes:
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > NARINFO_BYTES:
            raise CacheFailed("its answer is too long")
    return bytes(data)


def _unpacked(answer: Opened) -> AsyncIterator[bytes]:
    return _decoded(answer.raw, answer.fields)


async def _decoded(pieces: AsyncIterator[bytes], fields: Mapping[str, str]) -> AsyncIterator[bytes]:
    try:
        decoder = decoder_for(fields.get("content-encoding", ""))
        async for raw in pieces:
            for piece in decoder.feed(raw):
                yield piece
    except Undecodable as error:
        raise CacheFailed(f"its answer cannot be unpacked: {error}") from None
    if not decoder.is_complete:
        raise Broken("its answer breaks off")


async def _told_as_failure(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for piece in pieces:
            yield piece
    except Broken as failure:
        raise CacheFailed(failure.reason) from None

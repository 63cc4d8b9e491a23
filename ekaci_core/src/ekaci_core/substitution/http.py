"""Binary caches over HTTP. The only module that knows the HTTP library.

Small files come over connections of our own (`lanes`); the library does what is out of the ordinary.
"""

from __future__ import annotations

import base64
import logging
import random
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio
import attrs
import httpx

from ekaci_core.api import Clock
from ekaci_core.nix.narinfo import NARINFO_BYTES
from ekaci_core.substitution.addresses import CacheAddress
from ekaci_core.substitution.answer import Malformed
from ekaci_core.substitution.cache import CacheFailed
from ekaci_core.substitution.decoding import Undecodable, decoder_for
from ekaci_core.substitution.lanes import Broken, Lanes, Origin
from ekaci_core.substitution.patience import Circuit, delay, retry_after

# As with Nix, what must not be seen is as good as not there.
_ABSENT: Final = frozenset({401, 403, 404, 407, 410})
_PASSING: Final = frozenset({408, 425, 429, *range(500, 600)} - {501, 505, 511})
_SLOW_DOWN: Final = frozenset({429, 503})
_REDIRECTIONS: Final = frozenset({301, 302, 303, 307, 308})
_ORDINARY_CONNECT_SECONDS: Final = 5.0
_FIELDS: Final = {"User-Agent": "ekaci", "Accept": "*/*", "Accept-Encoding": "identity"}


@attrs.frozen
class Patience:
    """How long a cache is waited for: seconds for one attempt and for all at one file, and how many attempts."""

    attempt_seconds: float = 10.0
    lookup_seconds: float = 20.0
    attempts: int = 5
    connect_seconds: float = _ORDINARY_CONNECT_SECONDS


class _Passing(Exception):
    """A failure that another attempt may mend; ``wait``: what the cache asks for, seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@attrs.frozen
class HttpAccess:
    """What all caches over HTTP share: the library's client, and whose certificates are believed."""

    client: httpx.AsyncClient
    tls: ssl.SSLContext


@asynccontextmanager
async def http_access(
    environment: Mapping[str, str], *, connections: int, patience: Patience
) -> AsyncIterator[HttpAccess]:
    """Open a client that keeps so many connections, with the certificates that Nix would use."""
    # The library logs addresses, and these may hold what is secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    certificates = environment.get("NIX_SSL_CERT_FILE") or environment.get("SSL_CERT_FILE")
    tls = ssl.create_default_context(cafile=certificates) if certificates else httpx.create_ssl_context()
    async with httpx.AsyncClient(
        verify=tls,
        headers=_FIELDS,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        timeout=httpx.Timeout(patience.attempt_seconds, connect=patience.connect_seconds, pool=None),
        follow_redirects=True,
        max_redirects=5,
    ) as client:
        yield HttpAccess(client, tls)


class HttpCache:
    """Asks one cache, again where that may help, and leaves it alone for a while when it does not answer."""

    def __init__(self, access: HttpAccess, address: CacheAddress, *, clock: Clock, patience: Patience) -> None:
        """Connect to nothing yet."""
        self.address = address
        self._client = access.client
        self._clock = clock
        self._patience = patience
        self._circuit = Circuit()
        self._reason = ""
        self._auth = httpx.BasicAuth(*address.credentials) if address.credentials else None
        self._lanes: Lanes | None = None
        if not _goes_through_proxy(address):
            fields = (
                _FIELDS if address.credentials is None else _FIELDS | {"Authorization": _basic(address.credentials)}
            )
            origin = Origin.of(address.url, access.tls, fields)
            self._lanes = Lanes(origin, connect_seconds=patience.connect_seconds)

    async def close(self) -> None:
        """Close all connections."""
        if self._lanes is not None:
            await self._lanes.close()

    async def get(self, name: str) -> bytes | None:
        """See `BinaryCache`."""
        with anyio.move_on_after(self._patience.lookup_seconds):
            return await self._get(name)
        self._failed("it takes too long to answer")
        raise CacheFailed(self._reason)

    async def _get(self, name: str) -> bytes | None:
        attempt = 0
        while True:
            self._refuse_if_open()
            attempt += 1
            try:
                with anyio.fail_after(self._patience.attempt_seconds):
                    data = await self._once(name)
            except (_Passing, TimeoutError) as failure:
                reason = str(failure) or "it takes too long to answer"
                asked_for = failure.wait if isinstance(failure, _Passing) else None
                wait = delay(attempt, asked_for, random.random())  # noqa: S311 - nothing secret about it
                if wait is None or attempt >= self._patience.attempts:
                    self._failed(reason, wait=asked_for if wait is None else None)
                    raise CacheFailed(reason) from None
                self._reason = reason
                await anyio.sleep(wait)
            else:
                self._circuit.succeeded()
                return data

    async def _once(self, name: str) -> bytes | None:
        if self._lanes is not None:
            try:
                answer = await self._lanes.get(name, limit=NARINFO_BYTES)
            except Broken as failure:
                raise _Passing(failure.reason) from None
            except Malformed as error:
                raise CacheFailed(f"its answer makes no sense: {error}") from None
            if answer.status not in _REDIRECTIONS:
                field = answer.fields.get
                there = self._is_there(answer.status, field("retry-after"))
                return _whole([answer.body], field("content-encoding", "")) if there else None
            await self._lanes.close()
            self._lanes = None
        async with self._opened(name) as response:
            if response is None:
                return None
            return _whole([raw async for raw in _bounded(response)], response.headers.get("Content-Encoding", ""))

    @asynccontextmanager
    async def stream(self, name: str) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """See `BinaryCache`."""
        self._refuse_if_open()
        try:
            async with self._opened(name) as response:
                yield None if response is None else _unpacked(response)
        except _Passing as failure:
            raise CacheFailed(str(failure)) from None

    @asynccontextmanager
    async def _opened(self, name: str) -> AsyncIterator[httpx.Response | None]:
        """Ask, and yield the answer while it can be read; None where there is no such file."""
        request = self._client.build_request("GET", f"{self.address.url}/{name}")
        try:
            response = await self._client.send(request, auth=self._auth, stream=True)
        except httpx.TransportError as error:
            raise _Passing(_phrase(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CacheFailed(_phrase(error)) from None
        try:
            yield response if self._is_there(response.status_code, response.headers.get("Retry-After")) else None
        finally:
            await response.aclose()

    def _is_there(self, status: int, wait: str | None) -> bool:
        if status in _PASSING:
            seconds = retry_after(wait, self._clock.now()) if status in _SLOW_DOWN else None
            raise _Passing(f"it answers with status {status}", seconds)
        if status in _ABSENT:
            return False
        if status != httpx.codes.OK:
            raise CacheFailed(f"it answers with status {status}")
        return True

    def _refuse_if_open(self) -> None:
        if self._circuit.is_open(self._clock.monotonic()):
            raise CacheFailed(self._reason)

    def _failed(self, reason: str, *, wait: float | None = None) -> None:
        self._reason = reason
        self._circuit.failed(self._clock.monotonic(), wait=wait)


async def _bounded(response: httpx.Response) -> AsyncIterator[bytes]:
    size = 0
    try:
        async for raw in response.aiter_raw():
            size += len(raw)
            if size > NARINFO_BYTES:
                raise CacheFailed("its answer is too long")
            yield raw
    except httpx.TransportError as error:
        raise _Passing(_phrase(error)) from None


def _whole(pieces: Iterable[bytes], encoding: str) -> bytes:
    data = bytearray()
    try:
        decoder = decoder_for(encoding)
        for raw in pieces:
            for piece in decoder.feed(raw):
                data += piece
                if len(data) > NARINFO_BYTES:
                    raise CacheFailed("its answer is too long")
    except Undecodable as error:
        raise CacheFailed(f"its answer cannot be unpacked: {error}") from None
    if not decoder.is_complete:
        raise _Passing("its answer breaks off")
    return bytes(data)


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        decoder = decoder_for(response.headers.get("Content-Encoding", ""))
        async for raw in response.aiter_raw():
            for piece in decoder.feed(raw):
                yield piece
    except Undecodable as error:
        raise CacheFailed(f"its answer cannot be unpacked: {error}") from None
    except httpx.TransportError as error:
        raise CacheFailed(_phrase(error)) from None
    if not decoder.is_complete:
        raise CacheFailed("its answer breaks off")


def _basic(credentials: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(credentials).encode()).decode()


def _goes_through_proxy(address: CacheAddress) -> bool:
    proxies = urllib.request.getproxies()
    scheme = address.url.partition(":")[0]
    return (scheme in proxies or "all" in proxies) and not urllib.request.proxy_bypass(address.host)


def _phrase(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it takes too long to answer"
    if isinstance(error, httpx.ConnectError):
        return "it cannot be reached"
    if isinstance(error, httpx.TooManyRedirects):
        return "it redirects too often"
    return f"the connection failed ({type(error).__name__})"

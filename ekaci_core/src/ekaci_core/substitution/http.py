"""Binary caches over HTTP. The only module that knows the HTTP library."""

from __future__ import annotations

import logging
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio
import attrs
import httpx

from ekaci_core.api import Clock
from ekaci_core.nix.narinfo import NARINFO_BYTES
from ekaci_core.substitution.addresses import CacheAddress
from ekaci_core.substitution.cache import CacheFailed
from ekaci_core.substitution.decoding import Undecodable, decoder_for
from ekaci_core.substitution.patience import Circuit, delay, retry_after

# As with Nix, what must not be seen is as good as not there.
_ABSENT: Final = frozenset({401, 403, 404, 407, 410})
_PASSING: Final = frozenset({408, 425, 429, *range(500, 600)} - {501, 505, 511})
_SLOW_DOWN: Final = frozenset({429, 503})
_ORDINARY_CONNECT_SECONDS: Final = 5.0


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


@asynccontextmanager
async def http_client(
    environment: Mapping[str, str], *, connections: int, patience: Patience
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client that keeps so many connections, with the certificates that Nix would use."""
    # The library logs addresses, and these may hold what is secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    certificates = environment.get("NIX_SSL_CERT_FILE") or environment.get("SSL_CERT_FILE")
    context = ssl.create_default_context(cafile=certificates) if certificates else httpx.create_ssl_context()
    async with httpx.AsyncClient(
        verify=context,
        headers={"User-Agent": "ekaci", "Accept": "*/*", "Accept-Encoding": "identity"},
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        timeout=httpx.Timeout(patience.attempt_seconds, connect=patience.connect_seconds, pool=None),
        follow_redirects=True,
        max_redirects=5,
    ) as client:
        yield client


class HttpCache:
    """Asks one cache, again where that may help, and leaves it alone for a while when it does not answer."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        address: CacheAddress,
        *,
        clock: Clock,
        patience: Patience,
    ) -> None:
        """Ask through a client that others may use too."""
        self.address = address
        self._client = client
        self._clock = clock
        self._patience = patience
        self._circuit = Circuit()
        self._reason = ""
        self._auth = httpx.BasicAuth(*address.credentials) if address.credentials else None

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
        async with self._opened(name) as response:
            if response is None:
                return None
            data = bytearray()
            async for piece in _unpacked(response):
                data += piece
                if len(data) > NARINFO_BYTES:
                    raise CacheFailed(f"{name} is too long")
            return bytes(data)

    @asynccontextmanager
    async def stream(self, name: str) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """See `BinaryCache`."""
        self._refuse_if_open()
        try:
            async with self._opened(name) as response:
                yield None if response is None else _told_as_failure(_unpacked(response))
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
            status = response.status_code
            if status in _PASSING:
                wait = retry_after(response.headers.get("Retry-After"), self._clock.now())
                raise _Passing(f"it answers with status {status}", wait if status in _SLOW_DOWN else None)
            if status in _ABSENT:
                yield None
            elif status == httpx.codes.OK:
                yield response
            else:
                raise CacheFailed(f"it answers with status {status}")
        finally:
            await response.aclose()

    def _refuse_if_open(self) -> None:
        if self._circuit.is_open(self._clock.monotonic()):
            raise CacheFailed(self._reason)

    def _failed(self, reason: str, *, wait: float | None = None) -> None:
        self._reason = reason
        self._circuit.failed(self._clock.monotonic(), wait=wait)


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        decoder = decoder_for(response.headers.get("Content-Encoding", ""))
        async for raw in response.aiter_raw():
            for piece in decoder.feed(raw):
                yield piece
    except Undecodable as error:
        raise CacheFailed(f"its answer cannot be unpacked: {error}") from None
    except httpx.TransportError as error:
        raise _Passing(_phrase(error)) from None
    if not decoder.is_complete:
        raise _Passing("its answer breaks off")


async def _told_as_failure(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for piece in pieces:
            yield piece
    except _Passing as failure:
        raise CacheFailed(str(failure)) from None


def _phrase(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it takes too long to answer"
    if isinstance(error, httpx.ConnectError):
        return "it cannot be reached"
    if isinstance(error, httpx.TooManyRedirects):
        return "it redirects too often"
    return f"the connection failed ({type(error).__name__})"

"""A binary cache behind HTTP that takes files by PUT, as Nix sends them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import anyio
import anyio.to_thread
import attrs
import urllib3
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import Timeout, make_headers, parse_url

from ekaci_cache_backends.nix_copy.destination import HttpPlace
from ekaci_cache_backends.nix_copy.http_secrets import authorization
from ekaci_cache_backends.nix_copy.http_troubles import answered, failed
from ekaci_cache_backends.nix_copy.lines import Lines, pool_classes
from ekaci_cache_backends.nix_copy.narinfo import kind_of
from ekaci_cache_backends.nix_copy.parts import in_parts
from ekaci_cache_backends.nix_copy.trouble import Trouble
from ekaci_core.api import AddressGuard, Lease

_OK: Final = frozenset({200, 201, 202, 204})
_MISSING: Final = frozenset({404, 410})
_NO_HEAD: Final = frozenset({405, 501})
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_HOPS: Final = 3
_SMALL_BYTES: Final = 64 * 1024
_WORTH_ASKING_BYTES: Final = 8 * 1024 * 1024
"""Of a file that is as large it is asked whether it is there: an interrupted push need not send it again."""
_CHUNK: Final = 250

Result = TypeVar("Result")


@attrs.frozen
class HttpShelf:
    """Asks and sends in threads, over connections that are kept."""

    _place: HttpPlace
    _lines: Lines
    _pool: urllib3.PoolManager = attrs.field(repr=False)
    _limiter: anyio.CapacityLimiter

    async def absent(self, names: Collection[str]) -> frozenset[str]:
        """Ask for narinfos, many at once."""
        return await in_parts(names, self._absent, self._limiter, largest=_CHUNK)

    async def read(self, name: str) -> bytes | None:
        """Get a small file."""

        def read() -> bytes | None:
            answer = self._ask("GET", name)
            try:
                if answer.status in _MISSING:
                    return None
                if answer.status not in _OK:
                    raise answered(answer.status, answer.headers, f"GET {name}")
                return answer.read(_SMALL_BYTES)
            finally:
                answer.close()

        return await self._run(read)

    async def put(self, name: str, file: Path) -> int:
        """Send a file."""

        def put() -> int:
            size = file.stat().st_size
            if size >= _WORTH_ASKING_BYTES and self._has(name, size):
                return 0
            with file.open("rb") as body:
                answer = self._ask("PUT", name, body, {"Content-Type": kind_of(name), "Content-Length": str(size)})
            answer.read(_SMALL_BYTES)
            answer.release_conn()
            if answer.status not in _OK:
                raise answered(answer.status, answer.headers, f"PUT {name}")
            return size

        return await self._run(put)

    def cut(self) -> None:
        """Break off everything."""
        self._lines.cut()

    def _absent(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset(name for name in names if not self._has(name))

    def _has(self, name: str, size: int | None = None) -> bool:
        answer = self._ask("HEAD", name)
        answer.release_conn()
        if answer.status in _NO_HEAD:
            answer = self._ask("GET", name)
            answer.close()
        if answer.status in _MISSING:
            return False
        if answer.status not in _OK:
            raise answered(answer.status, answer.headers, f"HEAD {name}")
        return size is None or answer.headers.get("Content-Length") == str(size)

    def _ask(
        self, method: str, name: str, body: BinaryIO | None = None, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Make a request. It follows redirects to the same host alone, since the secrets go with it."""
        url = f"{self._place.url}/{name}"
        for _ in range(_HOPS):
            answer = self._answer(method, url, name, body, headers or {})
            if answer.status not in _REDIRECTS:
                return answer
            answer.close()
            url = self._redirected(url, answer.headers.get("Location", ""))
        raise Trouble("it redirects again and again", "write the address that it leads to as destination")

    def _answer(
        self, method: str, url: str, name: str, body: BinaryIO | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        """Get an answer; a connection that was kept may have ended meanwhile, so a second one is tried."""
        for is_last in (False, True):
            if self._lines.is_cut:
                raise Trouble("it was broken off", "it is tried again", transient=True)
            if body is not None:
                body.seek(0)
            try:
                return self._pool.request(
                    method,
                    url,
                    body=body,
                    headers={**self._pool.headers, **headers},
                    preload_content=False,
                    redirect=False,
                    retries=False,
                )
            except HTTPError as error:
                if is_last or not isinstance(error, ProtocolError):
                    raise failed(error, f"{method} {name}") from None
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _redirected(self, url: str, location: str) -> str:
        here, there = parse_url(url), parse_url(location)
        if there.host is None:
            there = here._replace(path=there.path, query=there.query)
        if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port):
            do = "write that as destination, if that is meant"
            raise Trouble(f"it redirects to another place, {there.scheme}://{there.netloc}", do)
        return there.url

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


@attrs.frozen
class HttpShelves:
    """A server."""

    _place: HttpPlace
    _addresses: AddressGuard
    _limiter: anyio.CapacityLimiter
    _seconds: int
    _private: Path

    @property
    def where(self) -> str:
        """Its address."""
        return self._place.url

    async def check(self) -> None:
        """Ask whether it may be reached; errors as for `AddressGuard.resolve`."""
        await self._addresses.resolve(self._place.host, self._place.port)

    async def open(self, lease: Lease) -> HttpShelf:
        """Open connections to what its name means now."""
        place = self._place
        addresses = await self._addresses.resolve(place.host, place.port)
        lines = Lines({(place.host, place.port): addresses})
        headers = make_headers(keep_alive=True, user_agent="EkaCI")
        headers |= authorization(lease, place.host, self._private, self.where)
        pool = urllib3.PoolManager(
            maxsize=int(self._limiter.total_tokens),
            headers=headers,
            timeout=Timeout(connect=min(10, self._seconds), read=self._seconds),
            ssl_context=ssl.create_default_context(),
        )
        pool.pool_classes_by_scheme = pool_classes(lines)
        lines.afterwards.append(pool.clear)
        return HttpShelf(place, lines, pool, self._limiter)

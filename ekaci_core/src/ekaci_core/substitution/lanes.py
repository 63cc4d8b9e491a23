"""Connections to one cache, kept open and used again, for small files.

A client library that can do everything takes some milliseconds of a processor for one look-up, and a plan asks for
thousands; what is out of the ordinary (a proxy, a redirection, a long file) is still left to that.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import anyio
import attrs
from anyio.abc import ByteStream

from ekaci_core.substitution.answer import Answered, AnswerReader

_RECEIVE_BYTES: Final = 64 * 1024


class Broken(Exception):
    """The connection could not be made or did not last; ``reason`` is a phrase."""

    def __init__(self, reason: str) -> None:
        """Say how."""
        super().__init__(reason)
        self.reason = reason


@attrs.frozen
class Origin:
    """Where to connect to, and what is said there with every request."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    head: bytes
    path: str

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None, fields: dict[str, str]) -> Origin:
        """Take apart the address of a cache; ``fields`` go with every request, ``tls`` is for ``https`` alone."""
        parts = urlsplit(url)
        lines = {"Host": parts.netloc, **fields}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        port = parts.port or (80 if tls is None else 443)
        return cls(parts.hostname or "", port, tls, head.encode("latin-1"), parts.path)


class Lanes:
    """Asks for files; as many connections are open as are asked for at once."""

    def __init__(self, origin: Origin, *, connect_seconds: float) -> None:
        """Connect to nothing yet."""
        self._origin = origin
        self._connect_seconds = connect_seconds
        self._idle: list[ByteStream] = []

    async def get(self, name: str, *, limit: int) -> Answered:
        """Ask for a file and read the answer, of at most ``limit`` bytes.

        Raises:
            Broken: there is none.
            Malformed: it makes no sense, or is too long.
        """
        request = f"GET {self._origin.path}/{name} HTTP/1.1\r\n".encode() + self._origin.head + b"\r\n"
        while self._idle:
            # The server may have closed it just now; then another connection is no second attempt.
            answer = await self._ask(self._idle.pop(), request, limit, used=True)
            if answer is not None:
                return answer
        answer = await self._ask(await self._connect(), request, limit, used=False)
        assert answer is not None  # noqa: S101 - only one that was used may be stale
        return answer

    async def close(self) -> None:
        """Close what is open and not in use."""
        while self._idle:
            await anyio.aclose_forcefully(self._idle.pop())

    async def _connect(self) -> ByteStream:
        origin = self._origin
        try:
            with anyio.fail_after(self._connect_seconds):
                if origin.tls is None:
                    return await anyio.connect_tcp(origin.host, origin.port)
                return await anyio.connect_tcp(
                    origin.host, origin.port, ssl_context=origin.tls, tls_standard_compatible=False
                )
        except ssl.SSLCertVerificationError as error:
            raise Broken(f"its certificate is not trusted ({error.verify_message})") from None
        except (OSError, anyio.BrokenResourceError, TimeoutError):
            raise Broken("it cannot be reached") from None

    async def _ask(self, lane: ByteStream, request: bytes, limit: int, *, used: bool) -> Answered | None:
        """Ask over one connection; None if it had been closed before the answer began, which ``used`` ones may be."""
        reader = AnswerReader(limit)
        began = False
        kept = False
        try:
            await lane.send(request)
            while True:
                data = await lane.receive(_RECEIVE_BYTES)
                began = True
                answer = reader.feed(data)
                if answer is not None:
                    if answer.keeps:
                        kept = True
                        self._idle.append(lane)
                    return answer
        except anyio.EndOfStream:
            if (answer := reader.end()) is not None:
                return answer
            if used and not began:
                return None
            raise Broken("it closes the connection before it has answered") from None
        except (anyio.BrokenResourceError, OSError):
            if used and not began:
                return None
            raise Broken("the connection broke off") from None
        finally:
            if not kept:
                with suppress(OSError, anyio.BrokenResourceError):
                    await anyio.aclose_forcefully(lane)

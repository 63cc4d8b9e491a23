"""Bodies of requests from people nobody knows: read within limits of size, time and memory."""

from __future__ import annotations

from typing import Final

import anyio
from starlette.requests import ClientDisconnect, Request

LARGEST_BYTES: Final = 25 * 1024 * 1024
"""GitHub sends nothing larger: https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap"""
MOST_BYTES: Final = 256 * 1024 * 1024
"""Of all bodies that are being read or handled at one time."""
READ_SECONDS: Final = 30.0

_TIMEOUT: Final = 408
_TOO_LARGE: Final = 413
_BAD_REQUEST: Final = 400
_UNAVAILABLE: Final = 503


class BodyRefused(Exception):
    """A body that is not taken; ``status`` is the answer. The rest of it is not read."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class BodyRoom:
    """The memory that bodies may take."""

    def __init__(
        self, *, largest: int = LARGEST_BYTES, most: int = MOST_BYTES, read_seconds: float = READ_SECONDS
    ) -> None:
        """Set the limits: bytes of one body, bytes of all, seconds until one has arrived."""
        self._largest = largest
        self._most = most
        self._read_seconds = read_seconds
        self._taken = 0

    async def read(self, request: Request) -> bytes:
        """Read a body whole. Its memory counts until `release`.

        Raises:
            BodyRefused: it is too large or too slow, ends too early, or there is no room now.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._largest:
            raise self._too_large()
        try:
            with anyio.fail_after(self._read_seconds):
                return await self._collect(request)
        except TimeoutError:
            raise BodyRefused(_TIMEOUT, "the body did not arrive in time") from None
        except ClientDisconnect:
            raise BodyRefused(_BAD_REQUEST, "the body ended too early") from None

    def release(self, size: int) -> None:
        """Give back the memory of a body of so many bytes."""
        self._taken -= size

    async def _collect(self, request: Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                self._taken += len(chunk)
                self._check(size)
                chunks.append(chunk)
            return b"".join(chunks)
        except BaseException:
            self.release(size)
            raise

    def _check(self, size: int) -> None:
        if size > self._largest:
            raise self._too_large()
        if self._taken > self._most:
            raise BodyRefused(_UNAVAILABLE, "too much arrives at once")

    def _too_large(self) -> BodyRefused:
        return BodyRefused(_TOO_LARGE, f"the body is larger than {self._largest} bytes")

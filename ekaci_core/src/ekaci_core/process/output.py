"""What a child writes, as chunks or lines, read only as fast as it is consumed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Final

import anyio

from ekaci_core.process.faults import OutputTooLarge
from ekaci_core.process.lines import Line, LineSplitter

CHUNK: Final = 256 * 1024

# A grandchild may hold the pipe open after the child has gone; silence for so long then counts as the end.
_LINGER_SECONDS: Final = 1.0


class OutputStream:
    """The reading end of a child's stdout or stderr, for one reader.

    The stream ends when all writers have closed it, or when the child has exited and nothing came for a second.
    Every way of reading raises `OutputTooLarge` once more than the allowed bytes came.
    """

    def __init__(self, descriptor: int, program: str, *, max_bytes: int | None, line_bytes: int) -> None:
        self._descriptor = descriptor
        self._program = program
        self._max_bytes = max_bytes
        self._line_bytes = line_bytes
        self._received = 0
        self._writer_gone = False
        self._receiving: anyio.CancelScope | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield bytes as they come, never an empty chunk."""
        while chunk := await self._receive():
            yield chunk

    async def batches(self) -> AsyncIterator[list[Line]]:
        """Yield the lines of each chunk together: the cheap way to read very many."""
        splitter = LineSplitter(self._line_bytes)
        while chunk := await self._receive():
            if lines := splitter.feed(chunk):
                yield lines
        if lines := splitter.end():
            yield lines

    async def lines(self) -> AsyncIterator[Line]:
        """Yield one line after the other."""
        async for batch in self.batches():
            for line in batch:
                yield line

    async def discard(self) -> None:
        """Read what still comes and drop it, unless somebody is reading, so that no writer is stuck."""
        while self._receiving is None and await self._read():
            pass

    def writer_exited(self) -> None:
        """Note that the child has gone, so that others who hold the pipe open are not waited for."""
        self._writer_gone = True
        if self._receiving is not None:
            self._receiving.deadline = anyio.current_time() + _LINGER_SECONDS

    async def _receive(self) -> bytes:
        with anyio.CancelScope() as scope:
            self._receiving = scope
            if self._writer_gone:
                scope.deadline = anyio.current_time() + _LINGER_SECONDS
            try:
                chunk = await self._read()
            finally:
                self._receiving = None
            self._received += len(chunk)
            if self._max_bytes is not None and self._received > self._max_bytes:
                raise OutputTooLarge(self._program, self._max_bytes)
            return chunk
        return b""

    async def _read(self) -> bytes:
        while True:
            await anyio.wait_readable(self._descriptor)
            try:
                return os.read(self._descriptor, CHUNK)
            except BlockingIOError:
                continue

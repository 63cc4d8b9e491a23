"""A daemon as tests want it: a real socket, the protocol's other side, and a script for what it does.

It has words and texts of its own, so that a mistake in ours is not made twice.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.abc
import attrs

NEXT, LAST, ERROR = 0x6F6C6D67, 0x616C7473, 0x63787470
START, STOP, RESULT = 0x53545254, 0x53544F50, 0x52534C54
BUILD_PATHS, BUILD_WITH_RESULTS, SET_OPTIONS = 9, 46, 19
ADD_TEMP_ROOT, ADD_INDIRECT_ROOT, OUTPUT_MAP = 11, 12, 41


def w(*numbers: int) -> bytes:
    """Words."""
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def s(*texts: str | bytes) -> bytes:
    """Texts."""
    done = b""
    for each in texts:
        data = each.encode() if isinstance(each, str) else each
        done += struct.pack("<Q", len(data)) + data + b"\0" * ((8 - len(data) % 8) % 8)
    return done


def log_line(text: str | bytes, activity: int = 7) -> bytes:
    return w(RESULT, activity, 101, 1, 1) + s(text)


def phase(name: str, activity: int = 7) -> bytes:
    return w(RESULT, activity, 104, 1, 1) + s(name)


def started(drv: str, activity: int = 7, kind: int = 105) -> bytes:
    return w(START, activity, 3, kind) + s(f"building '{drv}'") + w(3, 1) + s(drv) + w(1) + s("") + w(0, 1) + w(0)


def error(text: str, *, traces: tuple[str, ...] = ()) -> bytes:
    told = w(ERROR) + s("Error") + w(0) + s("Error", text) + w(0, len(traces))
    return told + b"".join(w(0) + s(trace) for trace in traces)


@attrs.define
class Dialogue:
    """One connection, from the daemon's side."""

    stream: anyio.abc.SocketStream
    number: int
    version: int = 38
    _data: bytes = b""

    async def word(self) -> int:
        """Read a number."""
        return int(struct.unpack("<Q", await self._exactly(8))[0])

    async def text(self) -> str:
        """Read a text."""
        size = await self.word()
        data = await self._exactly(size + (8 - size % 8) % 8)
        assert not any(data[size:]), "filled up with zeros"
        return data[:size].decode()

    async def texts(self) -> list[str]:
        """Read several texts."""
        return [await self.text() for _ in range(await self.word())]

    async def say(self, data: bytes) -> None:
        """Send."""
        await self.stream.send(data)

    async def greet(self, *, nix: str = "2.99.9", trust: int = 2) -> None:
        """Greet as a daemon of this version does."""
        assert await self.word() == 0x6E697863
        assert await self.word() == 0x126, "the client speaks 1.38"
        await self.say(w(0x6478696F, 0x100 | self.version))
        if self.version >= 38:
            assert await self.texts() == []
            await self.say(w(2) + s("realisation-with-path-not-hash", "something-new"))
        assert (await self.word(), await self.word()) == (0, 0)
        told = s(nix) + (w(trust) if self.version >= 35 else b"")
        await self.say(told + w(LAST))

    async def options(self) -> dict[str, str]:
        """Take the settings, and say that they are taken; return those that have names."""
        assert await self.word() == SET_OPTIONS
        for _ in range(12):
            await self.word()
        settings = {}
        for _ in range(await self.word()):
            name = await self.text()
            settings[name] = await self.text()
        await self.say(w(LAST))
        return settings

    async def build(self) -> str:
        """Take the wish for a build, and return for what."""
        assert await self.word() == (BUILD_WITH_RESULTS if self.version >= 34 else BUILD_PATHS)
        (wanted,) = await self.texts()
        assert wanted.endswith(".drv!*")
        assert await self.word() == 0
        return wanted.removesuffix("!*")

    async def result(self, drv: str, status: int = 0, message: str = "") -> None:
        """Say that the work is done, and what it came to."""
        if self.version < 34:
            await self.say(w(LAST, 1))
            return
        told = w(LAST, 1) + s(f"{drv}!*") + w(status) + s(message) + w(1, 0, 1700000000, 1700000001)
        if self.version >= 37:
            told += w(1, 2000000, 0)
        await self.say(told + w(1) + s("sha256:00!out", '{"outPath":"x"}'))

    async def path(self, operation: int) -> str:
        """Take an operation on one path, say that it is done, and return the path."""
        assert await self.word() == operation
        path = await self.text()
        await self.say(w(LAST, 1))
        return path

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            while True:
                await self.stream.receive()

    async def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._data += await self.stream.receive()
        data, self._data = self._data[:size], self._data[size:]
        return data


Script = Callable[[Dialogue], Awaitable[None]]


@asynccontextmanager
async def stand_in(path: Path, script: Script, *, version: int = 38) -> AsyncIterator[list[Dialogue]]:
    """Run a daemon that does what the script says with each connection; yields those that there were."""
    dialogues: list[Dialogue] = []

    async def handle(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            dialogue = Dialogue(stream, len(dialogues), version)
            dialogues.append(dialogue)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):  # the client went away, as it may
                await script(dialogue)

    async with await anyio.create_unix_listener(path) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield dialogues
        tasks.cancel_scope.cancel()

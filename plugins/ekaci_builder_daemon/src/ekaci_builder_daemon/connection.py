"""One connection to the daemon: a socket, and what is said over it. It does one thing at a time."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Self, TypeVar

import anyio

from ekaci_builder_daemon import operations
from ekaci_builder_daemon.messages import until_last
from ekaci_builder_daemon.operations import BuildResult, Greeting, Options
from ekaci_builder_daemon.protocol import WITH_RESULTS, BuildStatus, Version
from ekaci_builder_daemon.wire import Inbox, Reading, Unreadable
from ekaci_core.api import DrvPath, HearNix, NixEvent, NixMessage

GREETING_SECONDS: Final = 15.0
"""A daemon that has not said who it is by then, does not."""

_CHUNK: Final = 256 * 1024
_PAUSE_SECONDS: Final = 0.02
_KEPT_REMARKS: Final = 20

Value = TypeVar("Value")


class ConnectionLost(Exception):
    """The daemon cannot be reached, or closed the connection."""


class Refused(Exception):
    """The daemon answers what it was asked with an error. The connection is good for more."""

    def __init__(self, error: NixMessage) -> None:
        super().__init__(error.text)
        self.error = error


class Connection:
    """An open connection. After any exception but `Refused` it is in an unknown state, and must be closed.

    ``hook`` is the path of the build hook that the daemon is to have, None for its own.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._inbox = Inbox()
        self._options: Options | None = None
        self.greeting: Greeting | None = None
        self.hook: str | None = None

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Connect and greet.

        Raises:
            ConnectionLost: nobody is there, or does not answer in time.
            Unreadable: whoever is there is no Nix daemon that is understood.
        """
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection = cls(link)
        try:
            link.settimeout(0)
            with anyio.fail_after(GREETING_SECONDS):
                await _connect(link, path)
                await connection._greet()
        except TimeoutError:
            connection.close()
            raise ConnectionLost(f"it did not answer within {GREETING_SECONDS:g} seconds") from None
        except OSError as error:
            connection.close()
            raise ConnectionLost(error.strerror or str(error)) from None
        except Refused as refused:
            connection.close()
            raise ConnectionLost(f"it refuses: {refused}") from None
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def is_idle(self) -> bool:
        """Whether it is open, and nothing is under way: the daemon speaks only when it is spoken to."""
        if not self._inbox.is_empty:
            return False
        try:
            self._link.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close it. The daemon stops what it does for it, and removes what is half done."""
        self._link.close()

    async def set_options(self, options: Options) -> Sequence[NixEvent]:
        """Have the daemon use these settings from now on; return the beginning of what it has to say to that."""
        if options == self._options:
            return ()
        self._options = None
        said: list[NixEvent] = []

        def note(events: Iterable[NixEvent]) -> None:
            said.extend(islice(events, _KEPT_REMARKS - len(said)))

        await self._ask(operations.set_options(options), note)
        self._options = options
        return said

    async def build(self, drv: DrvPath, hear: HearNix) -> BuildResult | None:
        """Have it build all outputs; None where it was stopped before it knew how that goes."""
        if self._version >= WITH_RESULTS:
            await self._ask(operations.build_with_result(drv), hear)
            return await self._read(operations.built_with_result(self._inbox, self._version, drv))
        await self._ask(operations.build(drv), hear)
        await self._read(self._inbox.word())
        return BuildResult(BuildStatus.BUILT, "")

    async def output_paths(self, drv: DrvPath) -> dict[str, str]:
        """Ask where the outputs of a derivation are."""
        await self._ask(operations.query_outputs(drv))
        return dict(await self._read(operations.outputs(self._inbox)))

    async def add_temp_root(self, path: str) -> None:
        """Keep a path from the garbage collector for as long as this connection is open."""
        await self._ask(operations.add_temp_root(path))
        await self._read(self._inbox.word())

    async def add_indirect_root(self, link: Path) -> None:
        """Keep from the garbage collector what a link points to, for as long as it does."""
        await self._ask(operations.add_indirect_root(str(link)))
        await self._read(self._inbox.word())

    @property
    def _version(self) -> Version:
        assert self.greeting is not None  # noqa: S101 - nothing is asked before
        return self.greeting.version

    async def _greet(self) -> None:
        await self._send(operations.hello())
        version = await self._read(operations.hello_back(self._inbox))
        await self._send(operations.introduction(version))
        self.greeting = await self._read(operations.introduced(self._inbox, version))
        await self._listen(_unheard)

    async def _ask(self, request: bytes, hear: HearNix | None = None) -> None:
        await self._send(request)
        await self._listen(hear or _unheard)

    async def _listen(self, hear: HearNix) -> None:
        events: list[NixEvent] = []

        def pass_on() -> None:
            if events:
                hear(tuple(events))
                events.clear()

        error = await self._read(until_last(self._inbox, events.append), pass_on)
        pass_on()
        if error is not None:
            raise Refused(error)

    async def _read(self, reading: Reading[Value], before_waiting: Callable[[], None] | None = None) -> Value:
        while True:
            try:
                next(reading)
            except StopIteration as end:
                value: Value = end.value
                return value
            if before_waiting is not None:
                before_waiting()
            self._inbox.feed(await self._receive())

    async def _receive(self) -> bytes:
        while True:
            await anyio.wait_readable(self._link)
            try:
                data = self._link.recv(_CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                raise ConnectionLost(error.strerror or str(error)) from None
            if not data:
                raise ConnectionLost("it closed the connection")
            return data

    async def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._link.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._link)
            except OSError as error:
                raise ConnectionLost(error.strerror or str(error)) from None


def _unheard(events: object) -> None:
    """What it tells besides is not about a build."""


async def _connect(link: socket.socket, path: Path) -> None:
    while True:
        try:
            link.connect(str(path))
        except BlockingIOError:  # more are waiting for it than fit: unlike other sockets, this one is not on its way
            await anyio.sleep(_PAUSE_SECONDS)
        else:
            return


__all__ = ["GREETING_SECONDS", "Connection", "ConnectionLost", "Refused", "Unreadable"]

"""One writer, several readers, and errors that people understand."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from ekaci_core.store.connection import Connection, connect, deferred, durable, immediate
from ekaci_core.store.faults import translated

Result = TypeVar("Result")

MEMORY: Final = "database in memory"


class Database:
    """Runs transactions; each is a plain function of a connection that runs whole."""

    def __init__(self, where: str, writer: Connection, readers: Sequence[Connection]) -> None:
        """Take over open connections; ``where`` is how errors name the database."""
        self._where = where
        self._writer = writer
        self._connections = frozenset({writer, *readers})
        self._readers = itertools.cycle(readers)
        self._urgent: list[Callable[[sqlite3.Connection], None]] = []

    def put_first(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Have a function run before whatever comes next on the writing connection, each time; it must not raise."""
        self._urgent.append(work)

    async def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a writing transaction. It is finished even if the caller is cancelled.

        Raises:
            InfrastructureFault: no space, not readable, or locked for too long.
        """
        return await self.run(partial(immediate, work))

    async def write_durably(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a writing transaction that a loss of power does not undo. It waits for the disk: for few writes.

        Raises:
            InfrastructureFault: no space, not readable, or locked for too long.
        """
        return await self.run(partial(durable, work))

    async def write_in_parts(self, work: Callable[[sqlite3.Connection], int], *, part: int) -> int:
        """Run a writing transaction again until it did less than ``part``; others write in between. Returns the sum.

        Raises:
            InfrastructureFault: no space, not readable, or locked for too long.
        """
        done = 0
        while (now := await self.write(work)) >= part:
            done += now
        return done + now

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function that makes its own transactions on the writing connection.

        Raises:
            InfrastructureFault: no space, not readable, or locked for too long.
        """
        with translated(self._where):
            return await self._writer.run(partial(self._after_urgent, work))

    def _after_urgent(self, work: Callable[[sqlite3.Connection], Result], connection: sqlite3.Connection) -> Result:
        for each in self._urgent:
            each(connection)
        return work(connection)

    async def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a reading transaction.

        Raises:
            InfrastructureFault: not readable, or locked for too long.
        """
        with translated(self._where):
            return await next(self._readers).run(partial(deferred, work))

    async def settle(self) -> None:
        """Wait for all that was handed over; the connections answer to the event loop of whoever asked."""
        for each in self._connections:
            with translated(self._where):
                await each.run(lambda connection: None)  # noqa: ARG005 - they work one after the other


@asynccontextmanager
async def connected(
    path: Path | None, *, readers: int, prepare: Callable[[sqlite3.Connection], None]
) -> AsyncIterator[Database]:
    """Open the connections, ``prepare`` the database before anything else, and close them all on the way out.

    A database in memory has one connection for all, as a second one would see another database.
    """
    where = MEMORY if path is None else str(path)
    async with AsyncExitStack() as stack:
        with translated(where):
            writer = await connect(path)
            stack.push_async_callback(writer.shut)
            await writer.run(prepare)
            pool = [] if path is None else [await _reader(path, stack) for _ in range(readers)]
        yield Database(where, writer, pool or [writer])


async def _reader(path: Path, stack: AsyncExitStack) -> Connection:
    reader = await connect(path)
    stack.push_async_callback(reader.shut)
    await reader.run(lambda connection: connection.execute("PRAGMA query_only = ON").close())
    return reader

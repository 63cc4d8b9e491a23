"""A connection whose thread runs whole functions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite
import anyio
import anyio.to_thread

Result = TypeVar("Result")

BUSY_TIMEOUT_SECONDS = 60.0
STATEMENTS_KEPT = 256


class Connection(aiosqlite.Connection):
    """Runs plain functions one after the other on the connection's own thread.

    A function that was handed over runs to its end whatever becomes of the caller: a cancelled ``BEGIN`` that still
    runs, or a transaction that nobody ends, cannot happen.
    """

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run ``work`` on the connection's thread and return what it returns."""
        result: Result = await self._execute(partial(self._call, work))  # type: ignore[no-untyped-call]
        return result

    def _call(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return work(self._conn)

    def join(self) -> None:
        """Wait until the thread of a connection that could not be opened has ended."""
        self._thread.join()

    async def shut(self) -> None:
        """Close after all that was handed over, also when the caller is cancelled."""
        with anyio.CancelScope(shield=True):
            await self.close()


async def connect(path: Path | None, *, busy_timeout: float = BUSY_TIMEOUT_SECONDS) -> Connection:
    """Open the file, or a database in memory where ``path`` is None. Nothing is read yet."""
    target = ":memory:" if path is None else str(path)

    def connector() -> sqlite3.Connection:
        connection = sqlite3.connect(
            target, timeout=busy_timeout, isolation_level=None, cached_statements=STATEMENTS_KEPT
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA cache_size = -8000")
        except BaseException:
            connection.close()
            raise
        return connection

    connection = Connection(connector, 64)
    try:
        await connection
    except BaseException:
        # Its thread still has to answer, and needs the event loop for that.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(connection.join)
        raise
    return connection


def immediate(work: Callable[[sqlite3.Connection], Result], connection: sqlite3.Connection) -> Result:
    """Run ``work`` in a writing transaction: all of it or nothing."""
    return _transaction("BEGIN IMMEDIATE", work, connection)


def durable(work: Callable[[sqlite3.Connection], Result], connection: sqlite3.Connection) -> Result:
    """Run ``work`` as `immediate` does, and return only when a loss of power cannot undo it, nor what came before.

    With a write-ahead log, other transactions survive the end of the process, however it ends, but the last of them
    may be lost when the machine stops: https://sqlite.org/pragma.html#pragma_synchronous
    """
    connection.execute("PRAGMA synchronous = FULL")
    try:
        return immediate(work, connection)
    finally:
        connection.execute("PRAGMA synchronous = NORMAL")


def deferred(work: Callable[[sqlite3.Connection], Result], connection: sqlite3.Connection) -> Result:
    """Run ``work`` in a reading transaction: it sees one state of the database."""
    return _transaction("BEGIN", work, connection)


def _transaction(begin: str, work: Callable[[sqlite3.Connection], Result], connection: sqlite3.Connection) -> Result:
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite ends some transactions by itself, for example when the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result

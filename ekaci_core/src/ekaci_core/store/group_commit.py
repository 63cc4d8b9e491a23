"""Writes of many callers that share one transaction, and one wait for the disk."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Generic, TypeVar

import attrs

from ekaci_core.store.connection import durable
from ekaci_core.store.database import Database

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_AT_ONCE: Final = 256


@attrs.define(eq=False)
class _Entry(Generic[Item, Answer]):
    item: Item
    answers: list[Answer] = attrs.field(factory=list)
    error: BaseException | None = None


class GroupCommit(Generic[Item, Answer]):
    """Hands items over to a function of the database, as many at once as have come meanwhile.

    Each caller queues its item and then asks the writer's thread to see to it. What asks first writes for all that
    have queued by then, so that nobody waits for more to come, and nobody depends on a task that may be cancelled.
    Whatever else is to be written next lets those go first: somebody waits at a connection for each.
    """

    def __init__(
        self, database: Database, write: Callable[[sqlite3.Connection, Sequence[Item]], Sequence[Answer]]
    ) -> None:
        """Write by ``write``, which answers to each item and runs inside a transaction."""
        self._database = database
        self._write = write
        self._queued: deque[_Entry[Item, Answer]] = deque()
        database.put_first(self._write_first)

    async def put(self, item: Item) -> Answer:
        """Write an item, and return its answer once a loss of power cannot undo it.

        Raises:
            InfrastructureFault: none of those that were to be written together is.
        """
        entry: _Entry[Item, Answer] = _Entry(item)
        self._queued.append(entry)
        return await self._database.run(partial(self._settle, entry))

    def _settle(self, entry: _Entry[Item, Answer], connection: sqlite3.Connection) -> Answer:
        while not entry.answers:
            if entry.error is not None:
                raise entry.error
            self._write_queued(connection)
        return entry.answers[0]

    def _write_first(self, connection: sqlite3.Connection) -> None:
        if self._queued:
            # Whoever put them finds the error beside the item; it is no fault of what is written after them.
            with suppress(Exception):
                self._write_queued(connection)

    def _write_queued(self, connection: sqlite3.Connection) -> None:
        entries = [self._queued.popleft() for _ in range(min(len(self._queued), _AT_ONCE))]
        try:
            answers = durable(lambda tx: self._write(tx, [each.item for each in entries]), connection)
        except BaseException as error:
            for each in entries:
                each.error = error
            raise
        for each, answer in zip(entries, answers, strict=True):
            each.answers.append(answer)

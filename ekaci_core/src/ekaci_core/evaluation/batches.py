"""Between evaluator and store: small batches in, large ones out, and never too many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import anyio

Item = TypeVar("Item")


class Batches(Generic[Item]):
    """A bounded buffer with one who puts and one who takes. Nothing in it is lost by a cancelled wait."""

    def __init__(self, *, capacity: int, group: int, patience_seconds: float) -> None:
        """Make an empty buffer.

        Args:
            capacity: with so many items waiting, `put` waits too.
            group: with so many, `take` waits no longer.
            patience_seconds: how long `take` waits for a whole group once there is something.
        """
        self._capacity = capacity
        self._group = min(group, capacity)  # more will not come while it waits
        self._patience = patience_seconds
        self._items: list[Item] = []
        self._closed = False
        self._arrived = anyio.Event()
        self._taken = anyio.Event()

    async def put(self, items: Sequence[Item]) -> None:
        """Add a batch, however large, once there is room."""
        while len(self._items) >= self._capacity:
            self._taken = anyio.Event()
            await self._taken.wait()
        self._items.extend(items)
        self._arrived.set()

    def close(self) -> None:
        """Say that nothing more comes."""
        self._closed = True
        self._arrived.set()

    async def take(self) -> list[Item]:
        """Return what there is, at most a whole group; an empty list is the end."""
        while not self._items and not self._closed:
            await self._news()
        with anyio.move_on_after(self._patience):
            while len(self._items) < self._group and not self._closed:
                await self._news()
        items, self._items = self._items[: self._group], self._items[self._group :]
        self._taken.set()
        return items

    async def _news(self) -> None:
        self._arrived = anyio.Event()
        await self._arrived.wait()

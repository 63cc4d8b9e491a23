"""Items on their way to whoever asked: collected, protected from the garbage collector, sent in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from ekaci_core.model.evaluation import EvaluatedAttribute, EvaluatedItem, UnchangedAttribute
from ekaci_core.nix.pins import Pins

_MOST: Final = 1000
_PAUSE_SECONDS: Final = 0.5

ItemSink = MemoryObjectSendStream[Sequence[EvaluatedItem]]


class Outbox:
    """Takes items from the workers. A worker lives until its items are protected: its process keeps them till then."""

    def __init__(self, pins: Pins, sink: ItemSink) -> None:
        self._pins = pins
        self._sink = sink
        self._items: list[EvaluatedItem] = []
        self._lock = anyio.Lock()
        self._full = anyio.Event()

    def put(self, item: EvaluatedItem) -> None:
        """Take an item."""
        self._items.append(item)
        if len(self._items) >= _MOST:
            self._full.set()

    async def flush(self) -> None:
        """Protect and send all that was put before this call."""
        async with self._lock:
            if not self._items:
                return
            items, self._items = self._items, []
            self._full = anyio.Event()
            await self._pins.hold(
                item.drv for item in items if isinstance(item, EvaluatedAttribute | UnchangedAttribute)
            )
            await self._sink.send(items)

    async def run(self) -> None:
        """Flush again and again until cancelled."""
        while True:
            with anyio.move_on_after(_PAUSE_SECONDS):
                await self._full.wait()
            await self.flush()

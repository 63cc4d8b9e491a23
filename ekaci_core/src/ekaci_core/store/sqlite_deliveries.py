"""The inbox over SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ekaci_core.store import deliveries
from ekaci_core.store.database import Database
from ekaci_core.store.deliveries import NewDelivery
from ekaci_core.store.delivery import Delivery, DeliveryId, DeliveryState
from ekaci_core.store.group_commit import GroupCommit

# Few enough that nobody who writes meanwhile has to wait long.
_PRUNED_AT_ONCE: Final = 500


class SqliteDeliveries:
    """Hands each call to `deliveries`, as one transaction; see `Deliveries` for what they mean."""

    _database: Database
    _arriving: GroupCommit[NewDelivery, bool]

    async def add_delivery(
        self, forge: str, instance: str, name: str, kind: str, payload: bytes, *, now: float
    ) -> bool:
        """See `Deliveries`."""
        return await self._arriving.put(NewDelivery(forge, instance, name, kind, payload, now))

    async def pending_deliveries(self, *, limit: int, after: int = 0) -> Sequence[Delivery]:
        """See `Deliveries`."""
        return await self._database.read(lambda tx: deliveries.pending(tx, limit, after))

    async def end_delivery(self, delivery: DeliveryId, state: DeliveryState, *, outcome: str, now: float) -> None:
        """See `Deliveries`."""
        await self._database.write(lambda tx: deliveries.end(tx, delivery, state, outcome, now))

    async def deliveries(
        self, *, state: DeliveryState | None = None, limit: int = 100, before: DeliveryId | None = None
    ) -> Sequence[Delivery]:
        """See `Deliveries`."""
        return await self._database.read(lambda tx: deliveries.newest(tx, state, limit, before))

    async def delivery(self, delivery: DeliveryId) -> Delivery | None:
        """See `Deliveries`."""
        return await self._database.read(lambda tx: deliveries.find(tx, delivery))

    async def delivery_names(self, forge: str, *, since: float) -> frozenset[str]:
        """See `Deliveries`."""
        return await self._database.read(lambda tx: deliveries.names(tx, forge, since))

    async def replay_delivery(self, delivery: DeliveryId, *, now: float) -> bool:
        """See `Deliveries`."""
        return await self._database.write(lambda tx: deliveries.replay(tx, delivery, now))

    async def check_writing(self) -> None:
        """See `Deliveries`."""
        await self._database.write(deliveries.rewrite)

    async def settle(self) -> None:
        """See `Deliveries`."""
        await self._database.settle()

    async def prune_deliveries(self, *, before: float) -> int:
        """See `Deliveries`."""
        return await self._database.write_in_parts(
            lambda tx: deliveries.prune(tx, before, _PRUNED_AT_ONCE), part=_PRUNED_AT_ONCE
        )

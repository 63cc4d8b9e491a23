"""The inbox: what forges have told us, word for word, and what came of it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NewType, Protocol

import attrs

DeliveryId = NewType("DeliveryId", int)


class DeliveryState(enum.Enum):
    """What became of a delivery."""

    PENDING = "pending"
    HANDLED = "handled"
    IGNORED = "ignored"
    FAILED = "failed"


@attrs.frozen
class Delivery:
    """A delivery. ``forge`` is the type and ``instance`` the configured one whose signature it bears.

    ``name`` is the forge's own name of it, ``kind`` its type in the forge's words. ``outcome`` says what came of it.
    """

    id: DeliveryId
    forge: str
    instance: str
    name: str
    kind: str
    payload: bytes
    received_at: float
    state: DeliveryState
    handled_at: float | None = None
    outcome: str = ""
    attempts: int = 0


class Deliveries(Protocol):
    """The part of a store that holds them."""

    async def add_delivery(
        self, forge: str, instance: str, name: str, kind: str, payload: bytes, *, now: float
    ) -> bool:
        """Store a delivery durably; False where one of this forge and name is there already."""
        ...

    async def pending_deliveries(self, *, limit: int, after: int = 0) -> Sequence[Delivery]:
        """Return those not handled yet, in the order of their arrival: of their numbers, the greater than ``after``."""
        ...

    async def end_delivery(self, delivery: DeliveryId, state: DeliveryState, *, outcome: str, now: float) -> None:
        """Note what came of it; `PENDING` notes an attempt that failed for now."""
        ...

    async def deliveries(
        self, *, state: DeliveryState | None = None, limit: int = 100, before: DeliveryId | None = None
    ) -> Sequence[Delivery]:
        """Return the newest first, without their payloads."""
        ...

    async def delivery(self, delivery: DeliveryId) -> Delivery | None:
        """Return one with its payload."""
        ...

    async def delivery_names(self, forge: str, *, since: float) -> frozenset[str]:
        """Return the forge's names of those received after a time."""
        ...

    async def replay_delivery(self, delivery: DeliveryId, *, now: float) -> bool:
        """Have it handled again; False if there is none."""
        ...

    async def prune_deliveries(self, *, before: float) -> int:
        """Forget handled ones received before a time; returns how many."""
        ...

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
        """Store a delivery; False where one of this forge and name is there already.

        Once it returns, neither the end of the process nor a loss of power undoes it. Those that are added at the same
        time are written together.
        """
        ...

    async def pending_deliveries(self, *, limit: int, after: int = 0) -> Sequence[Delivery]:
        """Return those not handled yet, in the order of their arrival: of their numbers, the greater than ``after``."""
        ...

    async def end_delivery(self, delivery: DeliveryId, state: DeliveryState, *, outcome: str, now: float) -> None:
        """Note what came of an attempt to handle it; `PENDING` notes one that failed for now.

        A loss of power may undo this, but only with all that was written after it: what handling the delivery wrote is
        there whenever this is.
        """
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
        """Return the forge's names of those received at a time or after it."""
        ...

    async def replay_delivery(self, delivery: DeliveryId, *, now: float) -> bool:
        """Have it handled again, as if it never had been; False if there is none."""
        ...

    async def check_writing(self) -> None:
        """Write something that changes nothing, to see whether a delivery could be stored now.

        Raises:
            InfrastructureFault: it could not.
        """
        ...

    async def settle(self) -> None:
        """Return once all has been done that was asked before; who asked in an event loop of his own must do it last.

        Raises:
            InfrastructureFault: the database is closed.
        """
        ...

    async def prune_deliveries(self, *, before: float) -> int:
        """Forget those that are not pending and were received, and replayed if they were, before a time.

        Returns how many. It works in several transactions. One that is forgotten is handled again if the forge sends it
        again, so that this has to be longer ago than the forge remembers deliveries.
        """
        ...

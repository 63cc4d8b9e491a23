"""The loop that empties the inbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import anyio

from ekaci_core.api import Clock, ForgeEvent, InfrastructureFault, Logger
from ekaci_core.bus import Wakeup
from ekaci_core.intake.applying import Commands
from ekaci_core.intake.catching_up import CatchingUp
from ekaci_core.intake.handling import Handling, Item
from ekaci_core.intake.lanes import Lanes
from ekaci_core.intake.needs import IntakeStore
from ekaci_core.intake.pauses import Pauses
from ekaci_core.intake.policy import IntakePolicy
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.store.delivery import DeliveryId

RESCAN_SECONDS: Final = 30.0
"""How often everything that is pending is looked at, whatever was missed: one that is to be handled again, say."""
_PAGE: Final = 20
_MOST_READY: Final = 200
_STORE_PAUSE_SECONDS: Final = 2.0


class Intake:
    """Handles deliveries: those of one repository in the order of their arrival, repositories side by side.

    One that cannot be handled now is tried again later; news of the same thing waits for it, and nothing else does.
    Nothing is kept but in the store: whenever this ends, what was not handled is handled by the next one.
    """

    def __init__(
        self,
        store: IntakeStore,
        forges: Sequence[OpenForge],
        policy: IntakePolicy,
        *,
        clock: Clock,
        log: Logger,
        arrivals: Wakeup,
        reviews_changed: Callable[[], None],
        pauses: Pauses | None = None,
        told: Sequence[OpenForge] | None = None,
    ) -> None:
        """Prepare.

        Args:
            store: holds the inbox and everything else.
            forges: those that are open.
            policy: what the operator decided.
            clock: for times that are stored.
            log: gets a line for each delivery.
            arrivals: woken when a delivery was stored, or one is to be handled again.
            reviews_changed: called when there is something new for who makes reviews.
            pauses: when what could not be handled is tried again.
            told: those that send deliveries, and are asked for what did not arrive; None for all.
        """
        self.commands = Commands(store, clock, log, reviews_changed)
        self._store = store
        self._handling = Handling(
            store, forges, policy, commands=self.commands, clock=clock, log=log, pauses=pauses or Pauses()
        )
        self._catching_up = CatchingUp(store, forges if told is None else told, clock, log)
        self._log = log
        self._arrivals = arrivals
        self._from_the_first = False
        self._known: set[DeliveryId] = set()
        self._finished: set[DeliveryId] = set()

    async def follow(self, event: ForgeEvent, at: OpenForge) -> tuple[str, ...]:
        """Do what an event asks for that came in no delivery; returns what was done, a phrase each.

        Raises:
            InfrastructureFault: the forge or the store does not answer now.
        """
        done, _ = await self._handling.follow(event, at)
        return done

    def look_again(self) -> None:
        """Look at everything that is pending, and not only at what is new: one is to be handled again."""
        self._from_the_first = True
        self._arrivals.wake()

    async def run(self) -> None:
        """Handle what there is and what comes, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._catching_up.run, name="catching up")
            lanes = Lanes(tasks, self._handling.attempt, self._ended)
            newest = 0
            while True:
                newest = await self._take(lanes, newest)
                if not await self._arrivals.wait(RESCAN_SECONDS) or self._from_the_first:
                    newest, self._from_the_first = 0, False

    async def _take(self, lanes: Lanes, after: int) -> int:
        """Take what is pending after a number; returns the number to go on from."""
        while True:
            self._finished.clear()
            try:
                page = await self._store.pending_deliveries(limit=_PAGE, after=after)
            except InfrastructureFault as fault:
                self._log.warning("inbox_not_read", reason=str(fault))
                await anyio.sleep(_STORE_PAUSE_SECONDS)
                continue
            for delivery in page:
                after = delivery.id
                # What was finished while the page was read still looks pending in it.
                if delivery.id not in self._known and delivery.id not in self._finished:
                    self._known.add(delivery.id)
                    lanes.add(await self._handling.understand(delivery))
            if len(page) < _PAGE:
                return after
            await lanes.room(_MOST_READY)

    def _ended(self, item: Item) -> None:
        self._known.discard(item.delivery.id)
        self._finished.add(item.delivery.id)

"""The loop that empties the inbox."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import anyio.abc

from ekaci_core.api import Clock, Ignored, InfrastructureFault, Logger
from ekaci_core.bus import Wakeup
from ekaci_core.intake.applying import Commands
from ekaci_core.intake.catching_up import CatchingUp
from ekaci_core.intake.handling import Handling, Item
from ekaci_core.intake.needs import IntakeStore
from ekaci_core.intake.policy import IntakePolicy
from ekaci_core.intake.subject import Subject, subject_of
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.store.delivery import Delivery, DeliveryId

RESCAN_SECONDS: Final = 30.0
"""How often everything that is pending is looked at, whatever was missed: one that is to be handled again, say."""
_PAGE: Final = 20
_MOST_AT_ONCE: Final = 8
_MOST_READY: Final = 200
_STORE_PAUSE_SECONDS: Final = 2.0


class Intake:
    """Handles deliveries: those of one subject in the order of their arrival, those of different ones side by side.

    One that cannot be handled now is tried again later; its subject waits for it, and nothing else does. Nothing is
    kept but in the store: whenever this ends, what was not handled is handled by the next one.
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
        """
        self.commands = Commands(store, clock, log, reviews_changed)
        self._store = store
        self._handling = Handling(store, forges, policy, commands=self.commands, clock=clock, log=log)
        self._catching_up = CatchingUp(store, forges, clock, log)
        self._log = log
        self._arrivals = arrivals
        self._lanes: dict[Subject, deque[Item]] = {}
        self._known: set[DeliveryId] = set()
        self._finished: set[DeliveryId] = set()
        self._parked: set[Subject] = set()
        self._progress = anyio.Event()
        self._limit = anyio.CapacityLimiter(_MOST_AT_ONCE)

    async def run(self) -> None:
        """Handle what there is and what comes, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._catching_up.run, name="catching up")
            newest = 0
            while True:
                newest = await self._take(tasks, newest)
                if not await self._arrivals.wait(RESCAN_SECONDS):
                    newest = 0

    async def _take(self, tasks: anyio.abc.TaskGroup, after: int) -> int:
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
                    await self._queue(tasks, delivery)
            if len(page) < _PAGE:
                return after
            await self._room()

    async def _queue(self, tasks: anyio.abc.TaskGroup, delivery: Delivery) -> None:
        item = await self._handling.understand(delivery)
        subject = _subject_of(item)
        self._known.add(delivery.id)
        if subject in self._lanes:
            self._lanes[subject].append(item)
            return
        self._lanes[subject] = deque([item])
        tasks.start_soon(self._work, subject, name=f"intake of {'/'.join(subject)}")

    async def _work(self, subject: Subject) -> None:
        lane = self._lanes[subject]
        while lane:
            await self._finish(subject, lane[0])
            number = lane.popleft().delivery.id
            self._known.discard(number)
            self._finished.add(number)
            self._progress.set()
        del self._lanes[subject]

    async def _finish(self, subject: Subject, item: Item) -> None:
        attempts = item.delivery.attempts
        while True:
            attempts += 1
            async with self._limit:
                pause = await self._handling.attempt(item, attempts)
            if pause is None:
                return
            self._parked.add(subject)
            self._progress.set()
            await anyio.sleep(pause)
            self._parked.discard(subject)

    async def _room(self) -> None:
        """Wait while much is ready to be handled; what waits for another attempt does not count."""
        while sum(len(lane) for subject, lane in self._lanes.items() if subject not in self._parked) > _MOST_READY:
            self._progress = anyio.Event()
            await self._progress.wait()


def _subject_of(item: Item) -> Subject:
    if isinstance(item.event, str | Ignored):
        return "delivery", str(item.delivery.id)
    return item.delivery.forge, *subject_of(item.event)

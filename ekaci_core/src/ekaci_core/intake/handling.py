"""One attempt to handle one delivery, which ends in the store whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_core.api import Clock, EkaciError, ForgeEvent, Ignored, InfrastructureFault, Logger, Received
from ekaci_core.intake.applying import Commands
from ekaci_core.intake.command import Ignore
from ekaci_core.intake.deciding import decide
from ekaci_core.intake.gathering import Gathering
from ekaci_core.intake.needs import IntakeStore
from ekaci_core.intake.pauses import Pauses
from ekaci_core.intake.policy import IntakePolicy
from ekaci_core.intake.polled import NEWS_KIND, NotNews, event_of
from ekaci_core.intake.subject import Subject, repository_of, subject_of
from ekaci_core.process.plain import one_line
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.store.delivery import Delivery, DeliveryState

LARGE_BYTES: Final = 1_000_000
"""Larger payloads are parsed in a thread, so that nothing else waits for them."""
_OUTCOME_CHARACTERS: Final = 500


@attrs.frozen
class Item:
    """A delivery that was looked at, without its payload.

    ``event`` is a fault where it cannot be looked at now, and a sentence where nobody will ever understand it.
    """

    delivery: Delivery
    event: ForgeEvent | Ignored | InfrastructureFault | str

    @property
    def lane(self) -> Subject:
        """Those of one lane are handled in order."""
        if isinstance(self.event, str | Ignored | InfrastructureFault):
            return self.subject
        return self.delivery.forge, str(repository_of(self.event) or "")

    @property
    def subject(self) -> Subject:
        """What it is of: those of one subject wait for each other."""
        if isinstance(self.event, str | Ignored | InfrastructureFault):
            return "delivery", str(self.delivery.id)
        return self.delivery.forge, *subject_of(self.event)


class Handling:
    """Understands deliveries and does what they ask."""

    def __init__(
        self,
        store: IntakeStore,
        forges: Sequence[OpenForge],
        policy: IntakePolicy,
        *,
        commands: Commands,
        clock: Clock,
        log: Logger,
        pauses: Pauses,
    ) -> None:
        self._store = store
        self._forges = tuple(forges)
        self._policy = policy
        self._gathering = Gathering(store, policy)
        self._commands = commands
        self._clock = clock
        self._log = log
        self._pauses = pauses

    async def understand(self, delivery: Delivery) -> Item:
        """Parse a delivery; never fails."""
        bare = attrs.evolve(delivery, payload=b"")
        found = self._of_delivery(delivery)
        if found is None:
            what = f"no forge {delivery.instance!r} of type {delivery.forge} is open"
            return Item(bare, InfrastructureFault(what, do="look whether it is configured, then start again"))
        received = Received(delivery.name, delivery.kind, delivery.payload)
        try:
            if delivery.kind == NEWS_KIND:
                return Item(bare, event_of(delivery.payload))
            if len(delivery.payload) > LARGE_BYTES:
                return Item(bare, await anyio.to_thread.run_sync(found.forge.parse, received))
            return Item(bare, found.forge.parse(received))
        except (EkaciError, NotNews) as fault:
            return Item(bare, str(fault))

    async def attempt(self, item: Item, attempts: int) -> float | None:
        """Handle a delivery once, and store how that ended.

        Args:
            item: the delivery.
            attempts: how many there were, this one included.

        Returns:
            Seconds until it is to be tried again, None where it is done with.
        """
        try:
            await self._attempt(item)
        except InfrastructureFault as fault:
            return await self._failed(item, str(fault), self._pauses.after_fault(attempts))
        except Exception as error:  # noqa: BLE001 - see below
            # One delivery that we cannot handle must not keep all others, and every later start, from being handled.
            reason = f"{type(error).__name__}: {error}"
            return await self._failed(item, reason, self._pauses.after_surprise(attempts))
        return None

    async def _attempt(self, item: Item) -> None:
        event = item.event
        if isinstance(event, InfrastructureFault):
            raise event
        if isinstance(event, str):
            await self._end(item, DeliveryState.FAILED, event)
            return
        if isinstance(event, Ignored):
            await self._end(item, DeliveryState.IGNORED, event.reason)
            return
        done, ignored = await self.follow(event, self._serving(item.delivery, event))
        await self._end(item, DeliveryState.IGNORED if ignored else DeliveryState.HANDLED, "; ".join(done))

    async def follow(self, event: ForgeEvent, at: OpenForge) -> tuple[tuple[str, ...], bool]:
        """Do what an event asks for; returns what was done, a phrase each, and whether any of it was to be ignored.

        Raises:
            InfrastructureFault: the forge or the store does not answer now.
        """
        facts = await self._gathering.facts(event, at)
        commands = decide(event, facts, self._policy)
        done = await self._commands.carry_out(commands, at.forge)
        return done, any(isinstance(command, Ignore) for command in commands)

    def _of_delivery(self, delivery: Delivery) -> OpenForge | None:
        return next(
            (each for each in self._forges if (each.type, each.instance) == (delivery.forge, delivery.instance)), None
        )

    def _serving(self, delivery: Delivery, event: ForgeEvent) -> OpenForge:
        """Return the instance that is configured for the repository.

        Instances that share a secret all accept each other's deliveries, and the first of them took this one.
        """
        repository = repository_of(event)
        alike = [each for each in self._forges if each.type == delivery.forge]
        own = sorted(alike, key=lambda each: each.instance != delivery.instance)
        serving = (each for each in own if repository is None or each.forge.serves(repository))
        return next(serving, own[0])

    async def _failed(self, item: Item, reason: str, pause: float | None) -> float | None:
        state = DeliveryState.FAILED if pause is None else DeliveryState.PENDING
        try:
            await self._end(item, state, reason)
        except InfrastructureFault as fault:
            # It is still pending in the store, and the attempt counts only here.
            self._log.warning("inbox_not_written", delivery=item.delivery.name, reason=str(fault))
        return pause

    async def _end(self, item: Item, state: DeliveryState, outcome: str) -> None:
        outcome = one_line(outcome, _OUTCOME_CHARACTERS)
        delivery = item.delivery
        await self._store.end_delivery(delivery.id, state, outcome=outcome, now=self._clock.now())
        log = self._log.warning if state in (DeliveryState.FAILED, DeliveryState.PENDING) else self._log.info
        log(
            "delivery_handled",
            forge=delivery.forge,
            delivery=one_line(delivery.name, 100),
            kind=one_line(delivery.kind, 100),
            state=state.value,
            outcome=outcome,
        )

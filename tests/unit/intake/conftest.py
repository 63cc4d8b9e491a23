from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import anyio
import attrs
import pytest

from ekaci_core.api import ForgeEvent
from ekaci_core.bus import Wakeup
from ekaci_core.intake import Intake, IntakePolicy
from ekaci_core.intake.pauses import Pauses
from ekaci_core.registry.guarded_forge import GuardedForge
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.store import Store, open_store
from ekaci_core.store.delivery import Delivery, DeliveryState
from ekaci_core.testing.scripted_forge import ScriptedForge, payload_of


@attrs.define
class Lines:
    """A log that a test reads."""

    events: list[tuple[str, dict[str, object]]] = attrs.field(factory=list)

    def debug(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))

    def info(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(20):
        while not await is_so():  # noqa: ASYNC110 - what changes is a database, which wakes nobody
            await anyio.sleep(0.005)


class Ticking:
    """A clock that goes on with each look."""

    def __init__(self) -> None:
        self._ticks: Iterator[int] = itertools.count(1_000_000)

    def now(self) -> float:
        return float(next(self._ticks))

    def monotonic(self) -> float:
        return float(next(self._ticks))


@attrs.define
class Bench:
    """An intake over a store, with forges that do what a test says."""

    store: Store
    forge: ScriptedForge = attrs.field(factory=ScriptedForge)
    policy: IntakePolicy = IntakePolicy()
    log: Lines = attrs.field(factory=Lines)
    clock: Ticking = attrs.field(factory=Ticking)
    arrivals: Wakeup = attrs.field(factory=Wakeup)
    changes: list[None] = attrs.field(factory=list)
    others: dict[str, ScriptedForge] = attrs.field(factory=dict)
    pauses: Pauses = Pauses(first_seconds=0.2)
    count: int = 0

    def intake(self) -> Intake:
        forges = [
            OpenForge("scripted", name, GuardedForge(forge, who=name, log=self.log))
            for name, forge in {"app": self.forge, **self.others}.items()
        ]
        return Intake(
            self.store,
            forges,
            self.policy,
            clock=self.clock,
            log=self.log,
            arrivals=self.arrivals,
            reviews_changed=lambda: self.changes.append(None),
            pauses=self.pauses,
        )

    async def deliver(
        self, event: ForgeEvent | bytes, *, name: str = "", kind: str = "event", instance: str = "app"
    ) -> None:
        self.count += 1
        payload = event if isinstance(event, bytes) else payload_of(event)
        await self.store.add_delivery(
            "scripted", instance, name or f"d{self.count}", kind, payload, now=self.clock.now()
        )
        self.arrivals.wake()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.intake().run)
            yield
            tasks.cancel_scope.cancel()

    async def settle(self) -> None:
        """Run until nothing is pending."""
        async with self.running():
            await self.nothing_pending()

    async def nothing_pending(self) -> None:
        async def is_so() -> bool:
            return not await self.store.pending_deliveries(limit=1)

        await until(is_so)

    async def handle(self, *events: ForgeEvent) -> Delivery:
        """Deliver and settle; returns the last one as it ended."""
        for event in events:
            await self.deliver(event)
        await self.settle()
        return (await self.store.deliveries(limit=1))[0]

    async def logged(self, event: str) -> None:
        async def is_so() -> bool:
            return any(name == event for name, _ in self.log.events)

        await until(is_so)

    async def states(self) -> list[tuple[str, DeliveryState]]:
        return [(each.name, each.state) for each in reversed(await self.store.deliveries())]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with open_store(None) as store:
        yield Bench(store)

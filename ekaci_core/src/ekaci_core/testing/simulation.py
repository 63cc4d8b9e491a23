"""Simulated machines: the real scheduler with builders that take time on a clock which jumps to whatever ends next."""

from __future__ import annotations

import asyncio
import itertools
import random
import selectors
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import anyio
import attrs

from ekaci_core.api import Builder, BuildOutcome, BuildRequest, Built, InLocalStore, PluginContext
from ekaci_core.bus import Broadcast
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.event import ReviewEvent
from ekaci_core.model.ids import DrvPath, System
from ekaci_core.registry import Instances, Kind, PluginReport, PluginState, Registry
from ekaci_core.registry.admit import Admission
from ekaci_core.scheduler import Scheduler, SchedulerSettings, Wanted
from ekaci_core.scheduler.wishes import Share
from ekaci_core.store.contract import Store
from ekaci_core.testing.builders import SilentLogger, plugin_context
from ekaci_core.testing.package_sets import PackageSet

LINUX: Final = System("x86_64-linux")

Result = TypeVar("Result")
Seconds = Callable[[DerivationRecord], float]
"""How long a build takes."""


class VirtualClock:
    """Stands still while anything can run. The event loop of `simulated` moves it when nothing can."""

    def __init__(self) -> None:
        """Begin at nought."""
        self.seconds = 0.0
        self.calls = 0
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.seconds

    def monotonic(self) -> float:
        """The same."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Wait for so long on this clock."""
        woken = anyio.Event()
        heappush(self._sleepers, (self.seconds + seconds, next(self._numbers), woken))
        await woken.wait()

    def jump(self) -> bool:
        """Go to the next time at which somebody wants to be woken; False if nobody sleeps, or a store still works."""
        if self.calls or not self._sleepers:
            return False
        self.seconds = self._sleepers[0][0]
        while self._sleepers and self._sleepers[0][0] == self.seconds:
            heappop(self._sleepers)[2].set()
        return True


class _JumpingSelector(selectors.DefaultSelector):
    """What the event loop asks for news when it has nothing to do, which is when time goes on."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            news = super().select(0)
            if news or self._clock.jump():
                return news
        return super().select(timeout)


class _CountingStore:
    """Tells the clock while threads work for a store."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self._store = store
        self._clock = clock

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._clock.calls += 1
            try:
                return await method(*args, **kwargs)
            finally:
                self._clock.calls -= 1

        setattr(self, name, call)
        return call


@attrs.frozen
class MachineConfig:
    """One machine.

    Attributes:
        name: its name.
        slots: builds at once.
        systems: what it builds for.
    """

    name: str = "machine"
    slots: int = 1
    systems: frozenset[System] = frozenset({LINUX})


@attrs.frozen
class MachineType:
    """A type of builder whose builds take time on a virtual clock and always succeed.

    Attributes:
        clock: that clock.
        packages: what it builds becomes valid here.
        seconds: how long a build takes.
        ends: when each build ended, by derivation.
    """

    clock: VirtualClock
    packages: PackageSet
    seconds: Seconds
    ends: dict[DrvPath, float] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        """See `BuilderType`."""
        return "simulated"

    @property
    def config(self) -> type[MachineConfig]:
        """See `BuilderType`."""
        return MachineConfig

    @asynccontextmanager
    async def open(self, config: MachineConfig, context: PluginContext) -> AsyncIterator[Builder]:
        """See `BuilderType`."""
        del context
        yield Machine(self, config)


class Machine(InLocalStore):
    """One of them, open."""

    def __init__(self, kind: MachineType, config: MachineConfig) -> None:
        """Build as ``config`` says, in the world of ``kind``."""
        self._kind = kind
        self._running = 0
        self.name = config.name
        self.slots = config.slots
        self.systems = config.systems
        self.features: frozenset[str] = frozenset()

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Take the time that it takes."""
        record = request.derivation
        assert self._running < self.slots, "more builds than slots"
        assert self._kind.packages.valid.issuperset(record.inputs), "its inputs are not there"
        self._running += 1
        try:
            await self._kind.clock.sleep(self._kind.seconds(record))
        finally:
            self._running -= 1
        self._kind.packages.valid.add(record.path)
        self._kind.ends[record.path] = self._kind.clock.seconds
        return Built()


def simulated(main: Callable[[VirtualClock], Awaitable[Result]]) -> Result:
    """Run ``main`` in an event loop of its own, on whose clock time passes only when nothing else can happen."""
    clock = VirtualClock()

    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(_JumpingSelector(clock))

    return anyio.run(main, clock, backend_options={"loop_factory": loop})


@asynccontextmanager
async def simulated_scheduler(
    store: Store, kind: MachineType, machines: int, folder: Path, *, settings: SchedulerSettings | None = None
) -> AsyncIterator[Scheduler]:
    """Open so many machines of one slot each, as plugins are opened, and put the real scheduler over them."""
    counting = cast("Store", _CountingStore(store, kind.clock))
    admission = Admission(PluginReport(kind.name, "ekaci-simulation", "1.0", PluginState.ACTIVE), (_as_builder(kind),))
    context = attrs.evolve(plugin_context({}), clock=kind.clock)
    events: Broadcast[ReviewEvent] = Broadcast()
    async with Instances(Registry([admission]), context) as instances:
        names = (f"machine-{number}" for number in range(machines))
        builders = [await instances.builder(kind.name, MachineConfig(name)) for name in names]
        yield Scheduler(
            store=counting,
            builders=builders,
            survey=kind.packages.survey,
            clock=kind.clock,
            log=SilentLogger(),
            events=events,
            logs_dir=folder / "logs",
            roots_dir=folder / "roots",
            settings=settings or SchedulerSettings(),
        )


def _as_builder(kind: MachineType) -> tuple[Kind, MachineType]:
    return Kind.BUILDER, kind


def lower_bound(packages: PackageSet, seconds: Seconds, machines: int) -> float:
    """The longest of two times in which no scheduler could build all: the critical path, and the work a machine."""
    ends: dict[DrvPath, float] = {}
    for drv, record in packages.records.items():
        ends[drv] = max((ends[each] for each in record.inputs), default=0.0) + seconds(record)
    work = sum(seconds(record) for record in packages.records.values())
    return max(max(ends.values(), default=0.0), work / machines)


def long_tailed(record: DerivationRecord, *, sigma: float = 1.5, each: float = 0.25, seed: str = "") -> float:
    """Seconds of a build, the same each time: lognormal over names with a median of 30, as build times are.

    Args:
        record: what is built.
        sigma: how far names are apart.
        each: how far derivations of one name are apart.
        seed: another one makes other durations.
    """
    of_name, own = random.Random(seed + record.name), random.Random(seed + record.path)  # noqa: S311 - no secrets
    return 30.0 * of_name.lognormvariate(0, sigma) * own.lognormvariate(0, each)


def small_changes(packages: PackageSet, count: int, *, seed: int = 7) -> list[PackageSet]:
    """Make up changes to one package, or to two or three that need one another; all else that they need is there."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    changes = []
    for number in range(count):
        chosen: list[DerivationRecord] = []
        for record in dice.sample(list(packages.records.values()), 1 + number % 3):
            chosen.append(attrs.evolve(record, inputs=tuple(each.path for each in chosen[-1:])))
        changes.append(PackageSet(chosen).renewed(f"small {number}"))
    return changes


async def build_all(kind: MachineType, store: Store, machines: int, shares: Mapping[str, PackageSet]) -> float:
    """Build these sets, each for a share of its name, on so many machines; return the time at which they began.

    When each derivation ended stands in ``kind``.
    """
    began = kind.clock.now()
    wishes = [Wanted(drv, share=Share(name)) for name, packages in shares.items() for drv in packages.tops]
    with tempfile.TemporaryDirectory() as folder:
        async with simulated_scheduler(store, kind, machines, Path(folder)) as scheduler:
            faults = await scheduler.build(wishes)
    assert faults == (), faults
    return began

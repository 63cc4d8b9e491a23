"""Builders elsewhere: what they need is brought there first, without a slot, and one that is lost costs no failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
import pytest

from ekaci_core.api import BuildInterrupted, BuildRequest, TransientKind
from ekaci_core.model.build import BuildState
from ekaci_core.scheduler import SchedulerSettings, Wanted
from ekaci_core.store import Store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio

LOST = BuildInterrupted(BuildState.PROCESS_DEATH, "connection refused", transient=TransientKind.SSH)
SETTINGS = SchedulerSettings(copy_pause_seconds=0.001)

Preparing = Callable[[BuildRequest], Awaitable[BuildInterrupted | None]]


class FarBuilder(ScriptedBuilder):
    """A builder elsewhere; ``preparing`` decides what copying comes to."""

    def __init__(self, nix: ScriptedNix, name: str, slots: int = 1, preparing: Preparing | None = None) -> None:
        super().__init__(nix, name=name, slots=slots)
        self.prepared: list[str] = []
        self.preparing = preparing
        self.speed = 1.0

    @property
    def is_local(self) -> bool:
        return False

    @property
    def speed_factor(self) -> float:
        return self.speed

    async def prepare(self, request: BuildRequest) -> BuildInterrupted | None:
        self.prepared.append(request.derivation.name)
        return None if self.preparing is None else await self.preparing(request)


async def refused(request: BuildRequest) -> BuildInterrupted | None:
    del request
    return LOST


@pytest.fixture
async def names(store: Store, nix: ScriptedNix) -> Sequence[str]:
    names = [f"n{at}" for at in range(4)]
    for name in names:
        nix.derivation(name)
    nix.derivation("top", names)
    await nix.evaluated(store)
    return names


async def states(store: Store, *names: str) -> list[BuildState]:
    builds = await store.builds([drv_path(name) for name in names])
    return [builds[drv_path(name)].state for name in names]


async def test_what_a_build_needs_is_brought_there_first(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    far = FarBuilder(nix, "far", slots=2)
    await scripted_scheduler(store, nix, [far], tmp_path).build([Wanted(drv_path("top"))])
    assert sorted(far.prepared) == sorted(far.order) == sorted([*names, "top"])
    assert not far.violations
    assert await states(store, "top") == [BuildState.SUCCESS]


async def test_copying_holds_no_slot(store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]) -> None:
    async def slow(request: BuildRequest) -> BuildInterrupted | None:
        if request.derivation.name != names[0]:
            await anyio.sleep_forever()
        return None

    far = FarBuilder(nix, "far", preparing=slow)
    far.script = {names[0]: [for_ever]}
    async with scripted_scheduler(store, nix, [far], tmp_path).running() as run:
        await run.add([Wanted(drv_path(name)) for name in names[:2]])
        await far.begun(names[0])
        while len(far.prepared) < 2:  # noqa: ASYNC110 - a list tells of no change
            await anyio.sleep(0.01)
        assert far.running == {names[0]}


async def test_a_builder_that_is_lost_costs_a_try_elsewhere(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    lost, here = FarBuilder(nix, "lost", slots=9, preparing=refused), FarBuilder(nix, "here")
    lost.speed = 5.0
    scheduler = scripted_scheduler(store, nix, [lost, here], tmp_path, settings=SETTINGS)
    assert await scheduler.build([Wanted(drv_path("top"))]) == ()
    assert sorted(here.order) == sorted([*names, "top"])
    assert set(lost.prepared) == {*names, "top"}
    assert not lost.order
    assert {attempt.builder for attempt in (await store.last_attempts([drv_path("top")])).values()} == {"here"}
    assert (await store.builds([drv_path("top")]))[drv_path("top")].failures == 0


async def test_what_no_builder_can_be_brought_is_unsatisfiable_until_one_can(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    lost = FarBuilder(nix, "lost", slots=9, preparing=refused)
    scheduler = scripted_scheduler(store, nix, [lost], tmp_path, settings=SETTINGS)
    await scheduler.build([Wanted(drv_path("top"))])
    assert await states(store, *names, "top") == [BuildState.UNSATISFIABLE] * 4 + [BuildState.TRANSITIVE_FAILURE]
    assert lost.prepared.count(names[0]) == 5
    lost.preparing = None
    await scheduler.build([Wanted(drv_path("top"))])
    assert await states(store, *names, "top") == [BuildState.SUCCESS] * 5


async def test_copying_ends_with_the_run(store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]) -> None:
    stopped: list[str] = []

    async def stuck(request: BuildRequest) -> BuildInterrupted | None:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.append(request.derivation.name)
        return None

    far = FarBuilder(nix, "far", preparing=stuck)
    async with scripted_scheduler(store, nix, [far], tmp_path).running() as run:
        await run.add([Wanted(drv_path(names[0]))])
        while not far.prepared:  # noqa: ASYNC110 - a list tells of no change
            await anyio.sleep(0.01)
    assert stopped == [names[0]]
    assert await states(store, names[0]) == [BuildState.BUILDABLE]


async def test_what_is_being_brought_to_a_builder_can_be_cancelled(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    stopped = anyio.Event()

    async def endless(request: BuildRequest) -> BuildInterrupted | None:
        if request.derivation.name == names[0]:
            try:
                await anyio.sleep_forever()
            finally:
                stopped.set()
        return None

    far = FarBuilder(nix, "far", preparing=endless)
    async with scripted_scheduler(store, nix, [far], tmp_path).running() as run:
        await run.add([Wanted(drv_path("top"))])
        with anyio.fail_after(20):
            while names[0] not in far.prepared:  # noqa: ASYNC110 - a list tells of no change
                await anyio.sleep(0.01)
            await store.ask_cancellation(drv_path(names[0]), now=0.0)
            await stopped.wait()
            await run.wait()
    assert await states(store, names[0], names[1], "top") == [
        BuildState.CANCELLED,
        BuildState.SUCCESS,
        BuildState.BLOCKED,
    ]
    assert names[0] not in far.attempts

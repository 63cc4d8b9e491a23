"""Builders elsewhere that go away and come back without telling, at the worst of times."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from tests.unit.scheduler.test_scheduler_remote import LOST, SETTINGS, FarBuilder, refused, states

from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    Built,
    DerivationRecord,
    StorePath,
    TransientKind,
)
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import BuildState
from ekaci_core.model.event import ReviewEvent, ReviewNote
from ekaci_core.scheduler import Backoff, SchedulerSettings, Wanted
from ekaci_core.store import Store
from ekaci_core.store.contract import BuildBegun
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio


@pytest.fixture
async def names(store: Store, nix: ScriptedNix) -> Sequence[str]:
    names = ["n0", "n1"]
    for name in names:
        nix.derivation(name)
    await nix.evaluated(store)
    return names


def wanted(names: Sequence[str]) -> list[Wanted]:
    return [Wanted(drv_path(name)) for name in names]


class Gate:
    """A build that takes until it is let go."""

    def __init__(self, outcome: BuildOutcome | None = None) -> None:
        self.event = anyio.Event()
        self.outcome = outcome or Built()

    async def __call__(self, request: BuildRequest) -> BuildOutcome:
        del request
        await self.event.wait()
        return self.outcome


async def test_what_was_brought_to_a_builder_that_went_away_goes_elsewhere(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    gate = Gate()
    gone, other = FarBuilder(nix, "gone"), FarBuilder(nix, "other", slots=0)
    gone.script = {"n0": [gate]}
    with anyio.fail_after(30):
        async with scripted_scheduler(store, nix, [gone, other], tmp_path, settings=SETTINGS).running() as run:
            await run.add(wanted(names))
            while gone.prepared != names:  # noqa: ASYNC110 - a list tells of no change
                await anyio.sleep(0.01)
            gone.slots, other.slots = 0, 1
            await other.begun("n1")
            assert gone.running == {"n0"}, "what is being built goes on"
            gate.event.set()
            await run.wait()
    assert (gone.order, other.order) == (["n0"], ["n1"])
    assert await states(store, *names) == [BuildState.SUCCESS] * 2


async def test_what_waits_for_the_only_builder_is_built_once_it_is_back(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    gate = Gate()
    far = FarBuilder(nix, "far")
    far.script = {"n0": [gate]}
    with anyio.fail_after(30):
        async with scripted_scheduler(store, nix, [far], tmp_path, settings=SETTINGS).running() as run:
            await run.add(wanted(names))
            while far.prepared != names:  # noqa: ASYNC110 - a list tells of no change
                await anyio.sleep(0.01)
            far.slots = 0
            gate.event.set()
            while far.running:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            await anyio.sleep(0.05)
            assert far.order == ["n0"]
            far.slots = 1
            await run.wait()
    assert far.order == list(names)


async def test_builders_that_have_no_slot_when_a_run_begins_may_get_one(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    far = FarBuilder(nix, "far", slots=0)
    with anyio.fail_after(30):
        async with scripted_scheduler(store, nix, [far], tmp_path, settings=SETTINGS).running() as run:
            await run.add(wanted(names))
            far.slots = 2
            await run.wait()
    assert await states(store, *names) == [BuildState.SUCCESS] * 2


async def test_a_fault_of_the_machine_ends_a_run_with_something_brought_there(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    gate = Gate(BuildInterrupted(BuildState.PROCESS_DEATH, "broken", infrastructure=True))
    far = FarBuilder(nix, "far")
    far.script = {"n0": [gate]}
    with anyio.fail_after(30):
        async with scripted_scheduler(store, nix, [far], tmp_path, settings=SETTINGS).running() as run:
            await run.add(wanted(names))
            while far.prepared != names:  # noqa: ASYNC110 - a list tells of no change
                await anyio.sleep(0.01)
            gate.event.set()
            await run.wait()
            assert tuple(run.infrastructure) == ("broken",)
    assert far.order == ["n0"]
    assert await states(store, "n1") == [BuildState.BUILDABLE]


async def test_a_machine_that_is_broken_is_left_out_as_long_as_others_can_build(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    fault = BuildInterrupted(BuildState.PROCESS_DEATH, "it trusts nobody", infrastructure=True)
    broken, other = FarBuilder(nix, "broken"), FarBuilder(nix, "other")
    broken.speed = 5.0
    broken.script = {name: [fault] * 9 for name in names}
    settings = SchedulerSettings(copy_pause_seconds=0.001, backoff=Backoff(first_seconds=0.001))
    events: Broadcast[ReviewEvent] = Broadcast()
    with anyio.fail_after(30), events.listening() as told:
        scheduler = scripted_scheduler(store, nix, [broken, other], tmp_path, settings=settings, events=events)
        assert await scheduler.build(wanted(names)) == ()
        assert (len(broken.order), sorted(other.order)) == (1, list(names))
        events.close()
        notes = [event.text async for event in told if isinstance(event, ReviewNote)]
    assert notes == ["builder broken is given nothing any more: it trusts nobody"]
    assert await states(store, *names) == [BuildState.SUCCESS] * 2


async def test_the_last_machine_that_is_broken_is_a_fault(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    fault = BuildInterrupted(BuildState.PROCESS_DEATH, "it trusts nobody", infrastructure=True)
    broken, away = FarBuilder(nix, "broken"), FarBuilder(nix, "away", slots=0)
    broken.script = {names[0]: [fault]}
    with anyio.fail_after(30):
        told = await scripted_scheduler(store, nix, [broken, away], tmp_path).build(wanted(names[:1]))
    assert told == ("it trusts nobody",)


class Flickering(FarBuilder):
    """It has no slots when it is asked for the second time."""

    asked = 0

    @property
    def slots(self) -> int:
        self.asked += 1
        return 0 if self.asked == 2 else 9

    @slots.setter
    def slots(self, value: int) -> None:
        del value


async def test_a_builder_that_goes_between_two_looks_breaks_nothing(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    far = Flickering(nix, "far")
    with anyio.fail_after(30):
        async with scripted_scheduler(store, nix, [far], tmp_path, settings=SETTINGS).running() as run:
            far.asked = 0
            await run.add(wanted(names))
            await run.wait()
    assert await states(store, *names) == [BuildState.SUCCESS] * 2


class Remembering(FarBuilder):
    """It has what it built."""

    def present(self, paths: Collection[StorePath]) -> int:
        had = {path for record in self._nix.records.values() if record.name in self.order for path in outputs(record)}
        return len(had.intersection(paths))


def outputs(record: DerivationRecord) -> list[StorePath]:
    return [output.path for output in record.outputs if output.path is not None]


async def test_a_build_goes_where_its_inputs_were_built(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("input", features=["big"])
    nix.derivation("user", ["input"])
    await nix.evaluated(store)
    small, big = Remembering(nix, "small", slots=9), Remembering(nix, "big")
    big.features = frozenset({"big"})
    await scripted_scheduler(store, nix, [small, big], tmp_path, settings=SETTINGS).build([Wanted(drv_path("user"))])
    assert (small.order, big.order) == ([], ["input", "user"])


async def test_a_builder_that_was_lost_once_is_asked_again_where_no_other_can(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    lost = BuildInterrupted(BuildState.PROCESS_DEATH, "lost", transient=TransientKind.BUILDER_LOST)
    once, never = FarBuilder(nix, "once"), FarBuilder(nix, "never", preparing=refused)
    once.speed = 5.0
    once.script = {name: [lost] for name in names}
    settings = SchedulerSettings(copy_pause_seconds=0.001, backoff=Backoff(first_seconds=0.001))
    with anyio.fail_after(30):
        assert (
            await scripted_scheduler(store, nix, [once, never], tmp_path, settings=settings).build(wanted(names)) == ()
        )
    assert await states(store, *names) == [BuildState.SUCCESS] * 2
    assert set(never.prepared) == set(names)


async def test_one_failed_copy_does_not_bind_a_derivation_to_a_builder_that_is_away(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    async def once(request: BuildRequest) -> BuildInterrupted | None:
        return LOST if near.prepared.count(request.derivation.name) == 1 else None

    near, away = FarBuilder(nix, "near", preparing=once), FarBuilder(nix, "away")
    with anyio.fail_after(30):
        async with scripted_scheduler(store, nix, [near, away], tmp_path, settings=SETTINGS).running() as run:
            away.slots = 0
            await run.add(wanted(names))
            await run.wait()
    assert await states(store, *names) == [BuildState.SUCCESS] * 2


async def test_what_one_builder_always_refuses_waits_for_one_that_is_away(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    near, away = FarBuilder(nix, "near", preparing=refused), FarBuilder(nix, "away", slots=0)
    with anyio.fail_after(30):
        async with scripted_scheduler(store, nix, [near, away], tmp_path, settings=SETTINGS).running() as run:
            await run.add(wanted(names[:1]))
            while len(near.prepared) < 5:  # noqa: ASYNC110 - a list tells of no change
                await anyio.sleep(0.01)
            await anyio.sleep(0.05)
            away.slots = 1
            await run.wait()
    assert (len(near.prepared), away.order) == (5, ["n0"])


class WaitingStore:
    """A store that lets another build end while it records the first failure."""

    def __init__(self, store: Store, gate: Gate, builder: ScriptedBuilder) -> None:
        self._store = store
        self._gate = gate
        self._builder = builder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write_builds(self, writes: Any, *arguments: Any, **named: Any) -> Sequence[BuildBegun]:
        if writes.ends and not self._gate.event.is_set():
            self._gate.event.set()
            while self._builder.running:
                await anyio.lowlevel.checkpoint()
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
        return cast("Sequence[BuildBegun]", await self._store.write_builds(writes, *arguments, **named))


async def test_a_build_that_has_just_ended_is_not_recorded_as_stopped(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    gate = Gate()
    builder = ScriptedBuilder(nix, {"n0": [BuildFailed("hash mismatch", 102, final=True)], "n1": [gate]})
    watching = cast("Store", WaitingStore(store, gate, builder))
    settings = SchedulerSettings(keep_going=False)
    with anyio.fail_after(30):
        await scripted_scheduler(watching, nix, [builder], tmp_path, settings=settings).build(wanted(names))
    assert await states(store, *names) == [BuildState.FAILURE, BuildState.SUCCESS]


async def test_what_is_stopped_while_it_builds_still_counts_as_cancelled(
    store: Store, nix: ScriptedNix, tmp_path: Path, names: Sequence[str]
) -> None:
    builder = ScriptedBuilder(nix, {"n0": [BuildFailed("hash mismatch", 102, final=True)], "n1": [for_ever]})
    settings = SchedulerSettings(keep_going=False)
    with anyio.fail_after(30):
        await scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).build(wanted(names))
    assert await states(store, *names) == [BuildState.FAILURE, BuildState.CANCELLED]

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildRequest, Built, InfrastructureFault
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import System
from ekaci_core.scheduler import ATTRIBUTION_PRIORITY, BuildRun, SchedulerSettings, Wanted
from ekaci_core.store import Store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio

WRONG_HASH = BuildFailed("hash mismatch", 102, final=True)


def wanted(*names: str, priority: int = 1) -> list[Wanted]:
    return [Wanted(drv_path(name), priority) for name in names]


async def states(store: Store, *names: str) -> list[BuildState | None]:
    found = await store.builds([drv_path(name) for name in names])
    return [found[drv_path(name)].state if drv_path(name) in found else None for name in names]


class Gate:
    """Builds that wait to be let through."""

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self.open = anyio.Event()

    async def __call__(self, request: BuildRequest) -> BuildOutcome:
        del request
        self.reached.set()
        await self.open.wait()
        return Built()


async def test_the_longest_chain_goes_first_inside_one_priority(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    for name in ("a-short", "b-short", "c-long"):
        nix.derivation(name)
    nix.derivation("middle", ["c-long"])
    nix.derivation("end", ["middle"])
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, slots=1)
    await scripted_scheduler(store, nix, [builder], tmp_path).build(wanted("a-short", "b-short", "end"))
    assert builder.order == ["c-long", "middle", "a-short", "b-short", "end"]


async def test_a_greater_priority_goes_first_and_takes_its_inputs_along(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    nix.derivation("old-input")
    nix.derivation("old", ["old-input"])
    nix.derivation("input")
    nix.derivation("new", ["input"])
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, slots=1)
    wishes = [*wanted("old", priority=ATTRIBUTION_PRIORITY), *wanted("new")]
    await scripted_scheduler(store, nix, [builder], tmp_path).build(wishes)
    assert builder.order == ["input", "new", "old-input", "old"]


async def test_a_wish_that_comes_later_moves_what_waits_forward(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        nix.derivation(name)
    await nix.evaluated(store)
    gate = Gate()
    builder = ScriptedBuilder(nix, {"first": [gate]}, slots=1)
    async with scripted_scheduler(store, nix, [builder], tmp_path).running() as run:
        await run.add(wanted("first", "second", "third", priority=0))
        await gate.reached.wait()
        await run.add(wanted("third"))
        gate.open.set()
        await run.wait()
    assert builder.order == ["first", "third", "second"]


async def test_a_longer_chain_that_comes_later_moves_what_waits_forward(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    for name in ("first", "second", "third"):
        nix.derivation(name)
    nix.derivation("above-third", ["third"])
    await nix.evaluated(store)
    gate = Gate()
    builder = ScriptedBuilder(nix, {"first": [gate]}, slots=1)
    async with scripted_scheduler(store, nix, [builder], tmp_path).running() as run:
        await run.add(wanted("first", "second", "third"))
        await gate.reached.wait()
        await run.add(wanted("above-third"))
        gate.open.set()
        await run.wait()
    assert builder.order == ["first", "third", "second", "above-third"]


async def test_busy_builders_hold_up_nobody_else(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    arm = System("aarch64-linux")
    for number in range(3):
        nix.derivation(f"arm-{number}", system=arm)
    nix.derivation("intel")
    await nix.evaluated(store)
    gate = Gate()
    slow = ScriptedBuilder(nix, {"arm-0": [gate]}, slots=1, systems=[arm])
    fast = ScriptedBuilder(nix, slots=1)
    async with scripted_scheduler(store, nix, [slow, fast], tmp_path).running() as run:
        await run.add(wanted("arm-0", "arm-1", "arm-2", "intel"))
        await fast.begun("intel")
        gate.open.set()
        await run.wait()
    assert (slow.order, fast.order) == (["arm-0", "arm-1", "arm-2"], ["intel"])


async def test_failures_are_told_together_and_may_add_wishes(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("lib-1")
    nix.derivation("lib-2")
    for name in ("app", "tool"):
        nix.derivation(f"{name}-1", ["lib-1"])
        nix.derivation(f"{name}-2", ["lib-2"])
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, {"lib-2": [WRONG_HASH]})
    told: list[list[str]] = []

    async with anyio.create_task_group() as tasks:
        started = anyio.Event()
        runs: list[BuildRun] = []

        async def attribute(failed: Sequence[Build]) -> None:
            await started.wait()
            told.append(sorted(build.drv.name for build in failed))
            names = [build.drv.name.replace("-2", "-1") for build in failed]
            await runs[0].add(wanted(*names, priority=ATTRIBUTION_PRIORITY))

        async with scripted_scheduler(store, nix, [builder], tmp_path).running(attribute) as run:
            runs.append(run)
            tasks.start_soon(anyio.sleep, 0)
            await run.add(wanted("app-2", "tool-2"))
            started.set()
            await run.wait()
    assert told == [["app-2", "tool-2"]]
    assert await states(store, "app-1", "tool-1", "app-2") == [
        BuildState.SUCCESS,
        BuildState.SUCCESS,
        BuildState.TRANSITIVE_FAILURE,
    ]


async def test_failures_of_earlier_runs_are_told_too(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("lib")
    nix.derivation("app", ["lib"])
    await nix.evaluated(store)
    scheduler = scripted_scheduler(store, nix, [ScriptedBuilder(nix, {"lib": [WRONG_HASH]})], tmp_path)
    await scheduler.build(wanted("app"))
    told: list[Build] = []

    async def tell(failed: Sequence[Build]) -> None:
        told.extend(failed)

    await scheduler.build(wanted("app", "lib"), tell)
    assert [(build.drv.name, build.state) for build in told] == [
        ("app", BuildState.TRANSITIVE_FAILURE),
        ("lib", BuildState.FAILURE),
    ]


async def test_fail_fast_cancels_the_rest_and_still_attributes(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    for name in ("shared", "bad", "slow", "waiting"):
        nix.derivation(name)
    nix.derivation("bad-before", ["shared"])
    nix.derivation("later", ["shared"])
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, {"bad": [WRONG_HASH], "slow": [for_ever]}, slots=2)
    settings = SchedulerSettings(keep_going=False, poll_seconds=0.01)
    runs: list[BuildRun] = []
    seen: list[list[BuildState | None]] = []

    async def attribute(failed: Sequence[Build]) -> None:
        assert [build.drv.name for build in failed] == ["bad"]
        seen.append(await states(store, "slow", "waiting", "shared", "later"))
        await runs[0].add(wanted("bad-before", priority=ATTRIBUTION_PRIORITY))

    async with scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).running(attribute) as run:
        runs.append(run)
        await run.add([*wanted("bad", "slow"), *wanted("waiting", "later", priority=0)])
        await run.wait()
    assert seen == [[BuildState.CANCELLED] * 4]
    assert await states(store, "slow", "waiting", "later", "bad-before") == [
        BuildState.CANCELLED,
        BuildState.CANCELLED,
        BuildState.CANCELLED,
        BuildState.SUCCESS,
    ]
    attempt = (await store.last_attempts([drv_path("slow")]))[drv_path("slow")]
    assert (attempt.outcome, attempt.reason) == (BuildState.CANCELLED, "another build failed")
    assert builder.violations == []


async def test_a_failure_that_only_attributes_does_not_end_a_fail_fast_run(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    nix.derivation("before")
    nix.derivation("after")
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, {"before": [WRONG_HASH]}, slots=2)
    settings = SchedulerSettings(keep_going=False)
    scheduler = scripted_scheduler(store, nix, [builder], tmp_path, settings=settings)
    await scheduler.build([*wanted("before", priority=ATTRIBUTION_PRIORITY), *wanted("after")])
    assert await states(store, "before", "after") == [BuildState.FAILURE, BuildState.SUCCESS]


async def test_cancellation_records_what_it_stopped_and_the_next_run_continues(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    nix.derivation("done")
    nix.derivation("stopped")
    nix.derivation("above", ["stopped"])
    nix.derivation("waiting")
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, {"stopped": [for_ever]}, slots=1)
    scheduler = scripted_scheduler(store, nix, [builder], tmp_path)
    with anyio.CancelScope() as ctrl_c:
        async with scheduler.running() as run, anyio.create_task_group() as tasks:
            await run.add(wanted("done", priority=3))
            await run.wait()
            tasks.start_soon(run.add, wanted("above", "waiting"))
            await builder.begun("stopped")
            ctrl_c.cancel()
    assert ctrl_c.cancelled_caught
    assert not builder.running
    assert await states(store, "done", "stopped", "above", "waiting") == [
        BuildState.SUCCESS,
        BuildState.CANCELLED,
        BuildState.BLOCKED,
        BuildState.BUILDABLE,
    ]
    attempt = (await store.last_attempts([drv_path("stopped")]))[drv_path("stopped")]
    assert (attempt.outcome, attempt.reason) == (BuildState.CANCELLED, "the run was stopped")
    assert await store.claim(drv_path("stopped"), "anybody", now=0, until=1) is None

    await store.release(drv_path("stopped"), "anybody")
    again = ScriptedBuilder(nix)
    await scripted_scheduler(store, nix, [again], tmp_path).build(wanted("above", "waiting", "done"))
    assert sorted(again.attempts) == ["above", "stopped", "waiting"]


async def test_leaving_a_run_early_cancels_it(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("endless")
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, {"endless": [for_ever]})
    async with scripted_scheduler(store, nix, [builder], tmp_path).running() as run:
        await run.add(wanted("endless"))
        await builder.begun("endless")
    assert await states(store, "endless") == [BuildState.CANCELLED]


async def test_errors_inside_a_run_come_out_plain(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("app")
    await nix.evaluated(store)

    async def attribute(failed: Sequence[Build]) -> None:
        raise InfrastructureFault(f"no base for {failed[0].drv.name}")

    builder = ScriptedBuilder(nix, {"app": [WRONG_HASH]})
    with pytest.raises(InfrastructureFault, match="no base for app"):
        await scripted_scheduler(store, nix, [builder], tmp_path).build(wanted("app"), attribute)


async def test_a_failure_is_told_once(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("app")
    await nix.evaluated(store)
    told: list[str] = []

    async def tell(failed: Sequence[Build]) -> None:
        told.extend(build.drv.name for build in failed)

    builder = ScriptedBuilder(nix, {"app": [WRONG_HASH]})
    async with scripted_scheduler(store, nix, [builder], tmp_path).running(tell) as run:
        await run.add(wanted("app"))
        await run.wait()
        await run.add(wanted("app"))
        await run.wait()
    assert told == ["app"]


async def test_what_can_be_built_nowhere_does_not_end_a_fail_fast_run(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    nix.derivation("elsewhere", system=System("aarch64-darwin"))
    nix.derivation("above", ["elsewhere"])
    nix.derivation("here")
    await nix.evaluated(store)
    scheduler = scripted_scheduler(
        store, nix, [ScriptedBuilder(nix)], tmp_path, settings=SchedulerSettings(keep_going=False)
    )
    await scheduler.build(wanted("above", "here"))
    assert await states(store, "above", "here") == [BuildState.TRANSITIVE_FAILURE, BuildState.SUCCESS]


async def test_after_a_fault_of_the_machine_wishes_are_not_looked_at(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    nix.derivation("app")
    nix.derivation("other")
    await nix.evaluated(store)
    disk_full = BuildInterrupted(BuildState.PROCESS_DEATH, "no space left on device", infrastructure=True)
    builder = ScriptedBuilder(nix, {"app": [disk_full]})
    async with scripted_scheduler(store, nix, [builder], tmp_path).running() as run:
        await run.add(wanted("app"))
        await run.wait()
        await run.add(wanted("other"))
        await run.wait()
    assert run.infrastructure == ["no space left on device"]
    assert await states(store, "other") == [None]


async def test_a_directory_for_roots_that_cannot_be_made_is_named(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    (tmp_path / "roots").write_text("in the way")
    with pytest.raises(InfrastructureFault, match=r"roots: the directory for roots of builds cannot be made"):
        await scripted_scheduler(store, nix, [], tmp_path).build([])


async def test_a_builder_whose_slots_come_back_is_used_again(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("lib")
    nix.derivation("app", ["lib"])
    await nix.evaluated(store)

    async def leave(request: BuildRequest) -> BuildOutcome:
        del request
        builder.slots = 0
        return Built()

    builder = ScriptedBuilder(nix, {"lib": [leave]}, slots=1)
    async with scripted_scheduler(store, nix, [builder], tmp_path).running() as run, anyio.create_task_group() as tasks:
        await run.add([Wanted(drv_path("app"))])
        tasks.start_soon(run.wait)
        while builder.slots:  # noqa: ASYNC110 - the builder is no part of the run
            await anyio.sleep(0.01)
        await anyio.sleep(0.05)
        assert builder.order == ["lib"]
        builder.slots = 1
    assert builder.order == ["lib", "app"]


async def test_builders_that_stay_away_are_a_fault_of_the_machine(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    nix.derivation("lib")
    nix.derivation("app", ["lib"])
    await nix.evaluated(store)

    async def leave(request: BuildRequest) -> BuildOutcome:
        del request
        builder.slots = 0
        return Built()

    builder = ScriptedBuilder(nix, {"lib": [leave]}, slots=1, name="far")
    settings = SchedulerSettings(patience_seconds=2)
    told = await scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).build([Wanted(drv_path("app"))])
    assert told == ("no builder could be reached for 2 seconds: far",)
    assert await states(store, "app") == [BuildState.BUILDABLE]


async def test_a_failure_while_wishes_are_looked_at_ends_these_too(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    nix.derivation("bad")
    many = [nix.derivation(f"later-{number}").name for number in range(2000)]
    await nix.evaluated(store)

    async def fail_meanwhile(request: BuildRequest) -> BuildOutcome:
        del request
        while await states(store, many[0]) == [None]:
            await anyio.lowlevel.checkpoint()
        return WRONG_HASH

    builder = ScriptedBuilder(nix, {"bad": [fail_meanwhile]}, slots=1)
    settings = SchedulerSettings(keep_going=False)
    async with scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).running() as run:
        await run.add(wanted("bad"))
        await run.add(wanted(*many))
        await run.wait()
    assert builder.order == ["bad"]
    assert set(await states(store, *many)) == {BuildState.CANCELLED}

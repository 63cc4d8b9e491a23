"""Several runs over one database: each derivation is built by one of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import anyio
import pytest

from ekaci_core.api import BuildFailed, BuildOutcome, BuildRequest, Built
from ekaci_core.model.build import Build, BuildState
from ekaci_core.scheduler import SchedulerSettings, Wanted
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.scheduler.worker import worker_name
from ekaci_core.store import Store
from ekaci_core.store.contract import BuildChange
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio

FAILS = BuildFailed("builder failed with exit code 1", 1)


def diamonds(nix: ScriptedNix, count: int) -> list[Wanted]:
    nix.derivation("root")
    for number in range(count):
        nix.derivation(f"left-{number}", ["root"])
        nix.derivation(f"right-{number}", ["root"])
        nix.derivation(f"top-{number}", [f"left-{number}", f"right-{number}"])
    return [Wanted(drv_path(f"top-{number}")) for number in range(count)]


def dead_worker() -> str:
    """The name of a worker whose process has ended."""
    done = subprocess.run(["/bin/sh", "-c", "echo $$"], check=True, capture_output=True, text=True)
    machine, _, _ = worker_name().rsplit(":", 2)
    return f"{machine}:{int(done.stdout)}:12345#1"


async def state(store: Store, name: str) -> BuildState:
    return (await store.builds([drv_path(name)]))[drv_path(name)].state


@pytest.mark.parametrize("capacity", [None, 1, 5])
async def test_two_runs_at_once_build_each_derivation_once(
    store: Store, nix: ScriptedNix, tmp_path: Path, capacity: int | None
) -> None:
    wishes = diamonds(nix, 8)
    await nix.evaluated(store)
    first, second = (ScriptedBuilder(nix, slots=3, turns=20) for _ in range(2))
    settings = SchedulerSettings(poll_seconds=0.01, graph=GraphLimits(capacity))
    async with anyio.create_task_group() as tasks:
        for builder in (first, second):
            tasks.start_soon(scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).build, wishes)
    assert (first.attempts + second.attempts) == dict.fromkeys(nix.records, 1)
    assert first.violations == second.violations == []
    assert [await state(store, wish.drv.name) for wish in wishes] == [BuildState.SUCCESS] * 8


async def test_a_failure_of_the_other_run_is_ours_too(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("lib")
    nix.derivation("app", ["lib"])
    await nix.evaluated(store)
    let_go = anyio.Event()

    async def wait_and_fail(request: BuildRequest) -> BuildOutcome:
        del request
        await let_go.wait()
        return FAILS

    first = ScriptedBuilder(nix, {"lib": [wait_and_fail, FAILS]})
    second = ScriptedBuilder(nix)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scripted_scheduler(store, nix, [first], tmp_path).build, [Wanted(drv_path("lib"))])
        await first.begun("lib")
        tasks.start_soon(scripted_scheduler(store, nix, [second], tmp_path).build, [Wanted(drv_path("app"))])
        await anyio.sleep(0.1)
        let_go.set()
    assert (await store.builds([drv_path("app")]))[drv_path("app")] == Build(
        drv_path("app"), BuildState.TRANSITIVE_FAILURE, blockers=frozenset({drv_path("lib")})
    )
    assert (first.attempts["lib"], second.attempts["lib"]) in [(2, 0), (1, 1)], "never more than two attempts"


async def test_what_the_other_run_gave_up_is_built_here(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("lib")
    await nix.evaluated(store)
    first = ScriptedBuilder(nix, {"lib": [for_ever]})
    second = ScriptedBuilder(nix)
    scheduler = scripted_scheduler(store, nix, [first], tmp_path)
    async with anyio.create_task_group() as tasks, scheduler.running() as run:
        await run.add([Wanted(drv_path("lib"))])
        await first.begun("lib")
        tasks.start_soon(scripted_scheduler(store, nix, [second], tmp_path).build, [Wanted(drv_path("lib"))])
        await anyio.sleep(0.1)
        assert not second.attempts
    assert second.attempts == {"lib": 1}
    assert await state(store, "lib") is BuildState.SUCCESS


async def test_a_lease_is_renewed_while_the_build_runs(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("lib")
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, {"lib": [for_ever]})
    scheduler = scripted_scheduler(store, nix, [builder], tmp_path, settings=SchedulerSettings(lease_seconds=0.3))
    async with scheduler.running() as run:
        await run.add([Wanted(drv_path("lib"))])
        await builder.begun("lib")
        begun = scheduler.clock.now()
        await anyio.sleep(0.5)
        assert await store.claim(drv_path("lib"), "other", now=begun + 0.35, until=begun + 9) is not None


@pytest.mark.parametrize(
    ("left", "attempts_left"),
    [(BuildState.BUILDING, 2), (BuildState.BUILDABLE, 2), (BuildState.QUEUED, 2), (BuildState.FAILED_RETRY, 1)],
)
async def test_what_a_dead_worker_had_in_hand_is_queued_again(
    store: Store, nix: ScriptedNix, tmp_path: Path, left: BuildState, attempts_left: int
) -> None:
    drv = nix.derivation("lib")
    await nix.evaluated(store)
    dead = dead_worker()
    failures = int(left is BuildState.FAILED_RETRY)
    await store.claim(drv, dead, now=0, until=1e12)
    await store.record_builds([BuildChange(Build(drv, left, failures), 0, "before")])
    orphan = await store.begin_attempt(drv, builder="gone", log_path=None, now=0)
    builder = ScriptedBuilder(nix, {"lib": [for_ever]})
    async with scripted_scheduler(store, nix, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv)])
        await builder.begun("lib")
        assert (await store.last_attempts([drv]))[drv].id != orphan
    builder = ScriptedBuilder(nix, {"lib": [FAILS, FAILS, FAILS]})
    await scripted_scheduler(store, nix, [builder], tmp_path).build([Wanted(drv)])
    assert builder.attempts["lib"] == attempts_left, "the death does not count, failures before it do"
    assert await state(store, "lib") is BuildState.FAILURE


@pytest.mark.parametrize(
    ("outcome", "expected"), [(BuildState.FAILURE, BuildState.FAILURE), (BuildState.FAILED_RETRY, BuildState.SUCCESS)]
)
async def test_a_failure_that_was_seen_counts_though_its_state_was_not_recorded(
    store: Store, nix: ScriptedNix, tmp_path: Path, outcome: BuildState, expected: BuildState
) -> None:
    drv = nix.derivation("lib")
    await nix.evaluated(store)
    await store.claim(drv, dead_worker(), now=0, until=1e12)
    await store.record_builds([BuildChange(Build(drv, BuildState.BUILDING), 0, "before")])
    attempt = await store.begin_attempt(drv, builder="gone", log_path=None, now=0)
    await store.end_attempt(attempt, now=1, exit_status=1, outcome=outcome, reason="exit code 1")
    builder = ScriptedBuilder(nix)
    await scripted_scheduler(store, nix, [builder], tmp_path).build([Wanted(drv)])
    build = (await store.builds([drv]))[drv]
    assert (build.state, build.failures) == (expected, 1)
    assert builder.attempts["lib"] == int(expected is BuildState.SUCCESS)


async def test_a_worker_elsewhere_is_waited_for_until_its_lease_ends(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    drv = nix.derivation("lib")
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix)
    scheduler = scripted_scheduler(store, nix, [builder], tmp_path)
    now = scheduler.clock.now()
    await store.record_builds([BuildChange(Build(drv, BuildState.BUILDING), 0, "before")])
    await store.claim(drv, "elsewhere:boot:ns:1:1#1", now=now, until=now + 0.3)
    async with scheduler.running() as run:
        await run.add([Wanted(drv)])
        assert not builder.attempts
        assert await state(store, "lib") is BuildState.BUILDING, "the other's record stands while it lives"
        await run.wait()
    assert builder.attempts == {"lib": 1}
    assert scheduler.clock.now() >= now + 0.3


async def test_giving_up_does_not_touch_what_the_other_run_builds(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    nix.derivation("lib")
    nix.derivation("bad")
    await nix.evaluated(store)
    first = ScriptedBuilder(nix, {"lib": [for_ever]})
    let_go = anyio.Event()

    async def wait_and_fail(request: BuildRequest) -> BuildOutcome:
        del request
        await let_go.wait()
        return BuildFailed("hash mismatch", 102, final=True)

    second = ScriptedBuilder(nix, {"bad": [wait_and_fail]})
    settings = SchedulerSettings(keep_going=False, poll_seconds=0.01)
    scheduler = scripted_scheduler(store, nix, [second], tmp_path, settings=settings)
    async with scripted_scheduler(store, nix, [first], tmp_path).running() as run:
        await run.add([Wanted(drv_path("lib"))])
        await first.begun("lib")
        async with scheduler.running() as other:
            await other.add([Wanted(drv_path("lib")), Wanted(drv_path("bad"))])
            await second.begun("bad")
            await anyio.sleep(0.05)
            let_go.set()
            await other.wait()
        assert await state(store, "lib") is BuildState.BUILDING
    assert not second.attempts["lib"]


async def test_giving_up_does_not_touch_what_the_other_run_began_meanwhile(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    for name in ("long", "lib", "bad"):
        nix.derivation(name)
    await nix.evaluated(store)
    let_go = anyio.Event()

    async def wait(request: BuildRequest) -> BuildOutcome:
        del request
        await let_go.wait()
        return Built()

    first = ScriptedBuilder(nix, {"lib": [for_ever]})
    second = ScriptedBuilder(nix, {"long": [wait], "bad": [BuildFailed("hash mismatch", 102, final=True)]}, slots=1)
    settings = SchedulerSettings(keep_going=False, poll_seconds=0.01)
    scheduler = scripted_scheduler(store, nix, [second], tmp_path, settings=settings)
    async with scheduler.running() as other:
        await other.add([Wanted(drv_path(name), priority) for name, priority in (("long", 3), ("lib", 2), ("bad", 1))])
        await second.begun("long")
        async with scripted_scheduler(store, nix, [first], tmp_path).running() as run:
            await run.add([Wanted(drv_path("lib"))])
            await first.begun("lib")
            let_go.set()
            await other.wait()
            assert await state(store, "lib") is BuildState.BUILDING
    assert second.order == ["long", "bad"]


async def test_failures_that_the_other_run_saw_count_here(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("lib")
    await nix.evaluated(store)
    let_go = anyio.Event()

    async def wait_and_fail(request: BuildRequest) -> BuildOutcome:
        del request
        await let_go.wait()
        return FAILS

    first = ScriptedBuilder(nix, {"lib": [wait_and_fail, for_ever]})
    second = ScriptedBuilder(nix, {"lib": [FAILS, FAILS]})
    scheduler = scripted_scheduler(store, nix, [first], tmp_path)
    async with anyio.create_task_group() as tasks, scheduler.running() as run:
        await run.add([Wanted(drv_path("lib"))])
        await first.begun("lib")
        tasks.start_soon(scripted_scheduler(store, nix, [second], tmp_path).build, [Wanted(drv_path("lib"))])
        await anyio.sleep(0.05)
        let_go.set()
        await anyio.sleep(0.05)
    assert first.attempts["lib"] <= 2
    counted = (await store.builds([drv_path("lib")]))[drv_path("lib")]
    assert (counted.state, counted.failures, second.attempts["lib"]) == (BuildState.FAILURE, 2, 1)


async def test_what_dead_workers_had_in_hand_is_queued_though_nobody_wants_it(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    drv = nix.derivation("lib")
    nix.derivation("other")
    await nix.evaluated(store)
    await store.claim(drv, dead_worker(), now=0, until=1e12)
    await store.record_builds([BuildChange(Build(drv, BuildState.BUILDING), 0, "before")])
    await scripted_scheduler(store, nix, [ScriptedBuilder(nix)], tmp_path).build([Wanted(drv_path("other"))])
    assert await state(store, "lib") is BuildState.QUEUED
    assert await store.claims() == {}


async def test_an_input_that_is_there_though_nobody_recorded_it_is_recorded(
    store: Store, nix: ScriptedNix, tmp_path: Path
) -> None:
    drv = nix.derivation("lib")
    nix.derivation("app", ["lib"])
    await nix.evaluated(store)
    await store.record_builds([BuildChange(Build(drv, BuildState.QUEUED), 0, "its builder died when it was done")])
    nix.valid.add("lib")
    builder = ScriptedBuilder(nix)
    await scripted_scheduler(store, nix, [builder], tmp_path).build([Wanted(drv_path("app"))])
    assert builder.order == ["app"]
    assert await state(store, "lib") is BuildState.SUCCESS

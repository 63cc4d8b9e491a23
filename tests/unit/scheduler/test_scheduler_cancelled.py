"""A person cancels one derivation; all else goes on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import anyio
import pytest

from ekaci_core.api import BuildOutcome, BuildRequest, Built
from ekaci_core.model.build import Build, BuildState
from ekaci_core.scheduler import SchedulerSettings, Wanted
from ekaci_core.scheduler.cancelling import ON_REQUEST
from ekaci_core.scheduler.orphans import give_up_orphan
from ekaci_core.scheduler.worker import worker_name
from ekaci_core.store import Store
from ekaci_core.store.contract import BuildChange
from ekaci_core.testing.builders import RealClock
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio


async def states(store: Store, *names: str) -> dict[str, BuildState]:
    found = await store.builds([drv_path(name) for name in names])
    return {path.name: build.state for path, build in found.items()}


async def ask(store: Store, name: str) -> None:
    await store.ask_cancellation(drv_path(name), now=RealClock().now())


async def reaches(store: Store, name: str, state: BuildState) -> None:
    with anyio.fail_after(20):
        while (await states(store, name)).get(name) is not state:  # noqa: ASYNC110 - the database tells nobody
            await anyio.sleep(0.01)


def dead_worker() -> str:
    """The name of a worker whose process has ended."""
    done = subprocess.run(["/bin/sh", "-c", "echo $$"], check=True, capture_output=True, text=True)
    machine, _, _ = worker_name().rsplit(":", 2)
    return f"{machine}:{int(done.stdout)}:12345#1"


@pytest.fixture
def family(nix: ScriptedNix) -> ScriptedNix:
    nix.derivation("lib")
    nix.derivation("app", ["lib"])
    nix.derivation("suite", ["app"])
    nix.derivation("other")
    return nix


async def test_a_build_that_runs_is_stopped_and_the_rest_goes_on(
    store: Store, family: ScriptedNix, tmp_path: Path
) -> None:
    await family.evaluated(store)
    builder = ScriptedBuilder(family, {"lib": [for_ever]}, slots=1)
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("suite")), Wanted(drv_path("other"), priority=0)])
        await builder.begun("lib")
        await ask(store, "lib")
        with anyio.fail_after(20):
            await run.wait()
    assert await states(store, "lib", "app", "suite", "other") == {
        "lib": BuildState.CANCELLED,
        "app": BuildState.BLOCKED,
        "suite": BuildState.BLOCKED,
        "other": BuildState.SUCCESS,
    }
    (attempt,) = (await store.attempts([drv_path("lib")]))[drv_path("lib")]
    assert (attempt.outcome, attempt.reason) == (BuildState.CANCELLED, ON_REQUEST)
    assert not await store.claims()
    assert builder.attempts == {"lib": 1, "other": 1}


@pytest.mark.parametrize("name", ["other", "app"])
async def test_what_waits_never_starts(store: Store, family: ScriptedNix, tmp_path: Path, name: str) -> None:
    await family.evaluated(store)
    builder = ScriptedBuilder(family, {"lib": [for_ever]}, slots=1)
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("suite")), Wanted(drv_path("other"), priority=0)])
        await builder.begun("lib")
        await ask(store, name)
        await reaches(store, name, BuildState.CANCELLED)
        assert builder.running == {"lib"}
        await ask(store, "lib")
        with anyio.fail_after(20):
            await run.wait()
    assert name not in builder.attempts
    assert (await store.last_changes([drv_path(name)]))[drv_path(name)].cause == ON_REQUEST


async def test_a_run_that_waits_for_another_one_does_not_build_it_instead(
    store: Store, family: ScriptedNix, tmp_path: Path
) -> None:
    await family.evaluated(store)
    first = ScriptedBuilder(family, {"lib": [for_ever]})
    second = ScriptedBuilder(family)
    async with (
        anyio.create_task_group() as tasks,
        scripted_scheduler(store, family, [first], tmp_path).running() as run,
    ):
        await run.add([Wanted(drv_path("lib"))])
        await first.begun("lib")
        # The second never looks at cancellations in time: it learns all from the state that the first one records.
        slow = scripted_scheduler(store, family, [second], tmp_path, settings=SchedulerSettings(poll_seconds=0.4))
        tasks.start_soon(slow.build, [Wanted(drv_path("app"))])
        await anyio.sleep(0.1)
        await ask(store, "lib")
        await reaches(store, "lib", BuildState.CANCELLED)
        await store.end_cancellations(before=RealClock().now() + 1)
        with anyio.fail_after(20):
            await run.wait()
            await reaches(store, "app", BuildState.BLOCKED)
    assert not second.attempts
    assert await states(store, "lib") == {"lib": BuildState.CANCELLED}


async def test_a_later_wish_is_not_cancelled_by_what_was_asked_before(
    store: Store, family: ScriptedNix, tmp_path: Path
) -> None:
    await family.evaluated(store)
    await ask(store, "lib")

    async def take_a_while(request: BuildRequest) -> BuildOutcome:
        del request
        await anyio.sleep(0.2)  # many looks
        return Built()

    builder = ScriptedBuilder(family, {"lib": [take_a_while]})
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("app"))])
        with anyio.fail_after(20):
            await run.wait()
    assert await states(store, "lib", "app") == {"lib": BuildState.SUCCESS, "app": BuildState.SUCCESS}


async def test_what_nobody_took_away_is_forgotten_by_a_later_run(
    store: Store, family: ScriptedNix, tmp_path: Path
) -> None:
    await family.evaluated(store)
    await store.ask_cancellation(drv_path("lib"), now=RealClock().now() - 3600)
    recent = await store.ask_cancellation(drv_path("app"), now=RealClock().now())
    async with scripted_scheduler(store, family, [ScriptedBuilder(family)], tmp_path).running():
        assert [each.id for each in await store.cancellations()] == [recent]


async def test_a_cancellation_of_something_else_is_of_no_concern(
    store: Store, family: ScriptedNix, tmp_path: Path
) -> None:
    await family.evaluated(store)
    async with scripted_scheduler(store, family, [ScriptedBuilder(family, turns=50)], tmp_path).running() as run:
        await run.add([Wanted(drv_path("app"))])
        await ask(store, "other")
        with anyio.fail_after(20):
            await run.wait()
    assert await states(store, "app", "other") == {"app": BuildState.SUCCESS}


async def test_what_a_stopped_run_left_is_cancelled_with_all_that_needs_it(store: Store, family: ScriptedNix) -> None:
    await family.evaluated(store)
    lib, app, suite = (drv_path(name) for name in ("lib", "app", "suite"))
    await store.record_builds(
        [
            BuildChange(Build(lib, BuildState.BUILDABLE), 1.0, ""),
            *(BuildChange(Build(x), 1.0, "") for x in (app, suite)),
        ]
    )
    assert await give_up_orphan(store, RealClock(), lib)
    assert dict(await store.builds([lib, app, suite])) == {
        lib: Build(lib, BuildState.CANCELLED),
        app: Build(app, BuildState.BLOCKED, blockers=frozenset({lib})),
        suite: Build(suite, BuildState.BLOCKED, blockers=frozenset({lib})),
    }
    assert not await store.claims()


async def test_what_a_killed_run_was_building_is_ended_and_cancelled(store: Store, family: ScriptedNix) -> None:
    await family.evaluated(store)
    lib = drv_path("lib")
    now = RealClock().now()
    await store.claim(lib, dead_worker(), now=now, until=now + 60)
    await store.begin_attempt(lib, builder="x", log_path=None, now=now)
    await store.record_builds([BuildChange(Build(lib, BuildState.BUILDING), now, "on x")])
    assert await give_up_orphan(store, RealClock(), lib)
    assert await states(store, "lib") == {"lib": BuildState.CANCELLED}
    assert (await store.last_attempts([lib]))[lib].outcome is BuildState.SCHEDULER_DEATH


async def test_what_a_living_process_has_is_left_to_it(store: Store, family: ScriptedNix) -> None:
    await family.evaluated(store)
    lib, now = drv_path("lib"), RealClock().now()
    await store.claim(lib, worker_name(), now=now, until=now + 60)
    await store.record_builds([BuildChange(Build(lib, BuildState.BUILDING), now, "on x")])
    assert not await give_up_orphan(store, RealClock(), lib)
    assert await states(store, "lib") == {"lib": BuildState.BUILDING}

"""Several want derivations of one run; one of them does not any more."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from ekaci_core.api import BuildFailed
from ekaci_core.model.build import BuildState
from ekaci_core.scheduler import Wanted
from ekaci_core.scheduler.wishes import Share
from ekaci_core.store import Store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio

OLD, NEW = Share("packages#7 old"), Share("packages#7 new")


async def states(store: Store, *names: str) -> dict[str, BuildState]:
    found = await store.builds([drv_path(name) for name in names])
    return {path.name: build.state for path, build in found.items()}


@pytest.fixture
def family(nix: ScriptedNix) -> ScriptedNix:
    nix.derivation("lib")
    nix.derivation("old-app", ["lib"])
    nix.derivation("old-suite", ["old-app"])
    nix.derivation("new-app", ["lib"])
    nix.derivation("other")
    return nix


async def test_what_only_it_wanted_never_starts_and_what_others_want_goes_on(
    store: Store, family: ScriptedNix, tmp_path: Path
) -> None:
    await family.evaluated(store)
    builder = ScriptedBuilder(family, {"other": [for_ever]}, slots=1)
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("other"), share=NEW)])
        await builder.begun("other")
        await run.add([Wanted(drv_path("old-suite"), share=OLD), Wanted(drv_path("new-app"), share=NEW)])
        await run.withdraw(OLD)
        await store.ask_cancellation(drv_path("other"), now=0)
        with anyio.fail_after(20):
            await run.finished([drv_path("new-app"), drv_path("old-suite")])
            await run.wait()
    assert await states(store, "lib", "old-app", "old-suite", "new-app") == {
        "lib": BuildState.SUCCESS,
        "old-app": BuildState.CANCELLED,
        "old-suite": BuildState.CANCELLED,
        "new-app": BuildState.SUCCESS,
    }
    assert builder.attempts == {"other": 1, "lib": 1, "new-app": 1}


async def test_a_build_that_nobody_wants_any_more_is_stopped(store: Store, family: ScriptedNix, tmp_path: Path) -> None:
    await family.evaluated(store)
    builder = ScriptedBuilder(family, {"old-app": [for_ever]}, slots=2)
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("old-suite"), share=OLD), Wanted(drv_path("new-app"), share=NEW)])
        await builder.begun("old-app")
        await run.withdraw(OLD)
        with anyio.fail_after(20):
            await run.finished([drv_path("new-app")])
            await run.wait()
    assert await states(store, "lib", "old-app", "old-suite", "new-app") == {
        "lib": BuildState.SUCCESS,
        "old-app": BuildState.CANCELLED,
        "old-suite": BuildState.CANCELLED,
        "new-app": BuildState.SUCCESS,
    }
    assert builder.attempts == {"lib": 1, "old-app": 1, "new-app": 1}
    (attempt,) = (await store.attempts([drv_path("old-app")]))[drv_path("old-app")]
    assert attempt.reason == "nobody wants it any more"


async def test_a_shared_build_goes_on_when_one_of_two_leaves(store: Store, family: ScriptedNix, tmp_path: Path) -> None:
    await family.evaluated(store)
    builder = ScriptedBuilder(family, {"lib": [for_ever]}, slots=2)
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("old-suite"), share=OLD), Wanted(drv_path("new-app"), share=NEW)])
        await builder.begun("lib")
        await run.withdraw(OLD)
        assert builder.running == {"lib"}
        assert (await states(store, "old-app"))["old-app"] is BuildState.CANCELLED
        await run.withdraw(NEW)
        with anyio.fail_after(20):
            await run.wait()
    assert (await states(store, "lib"))["lib"] is BuildState.CANCELLED


async def test_what_was_given_up_begins_again_when_somebody_else_wants_it(
    store: Store, family: ScriptedNix, tmp_path: Path
) -> None:
    await family.evaluated(store)
    builder = ScriptedBuilder(family, {"lib": [for_ever]}, slots=2)
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("old-suite"), share=OLD)])
        await builder.begun("lib")
        await run.withdraw(OLD)
        with anyio.fail_after(20):
            await run.wait()
            await run.add([Wanted(drv_path("old-suite"), share=NEW)])
            await run.finished([drv_path("old-suite")])
    assert await states(store, "lib", "old-app", "old-suite") == dict.fromkeys(
        ("lib", "old-app", "old-suite"), BuildState.SUCCESS
    )


async def test_waiting_ends_at_once_for_what_is_there(store: Store, family: ScriptedNix, tmp_path: Path) -> None:
    await family.evaluated(store)
    family.valid.add("lib")
    async with scripted_scheduler(store, family, [ScriptedBuilder(family)], tmp_path).running() as run:
        await run.add([Wanted(drv_path("lib"))])
        with anyio.fail_after(20):
            await run.finished([drv_path("lib")])


async def test_what_failed_is_tried_again_when_somebody_asks(store: Store, family: ScriptedNix, tmp_path: Path) -> None:
    await family.evaluated(store)
    failed = BuildFailed("builder failed with exit code 1", 1)
    builder = ScriptedBuilder(family, {"lib": [failed, failed]}, slots=2)
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("old-suite"), share=OLD)])
        with anyio.fail_after(20):
            await run.finished([drv_path("old-suite")])
            await run.add([Wanted(drv_path("old-suite"), share=NEW)])
            await run.finished([drv_path("old-suite")])
            assert builder.attempts == {"lib": 2}, "a failure stands"
            await run.retry([drv_path("lib")], "asked for again")
            await run.add([Wanted(drv_path("old-suite"), share=NEW)])
            await run.finished([drv_path("old-suite")])
    assert builder.attempts == {"lib": 3, "old-app": 1, "old-suite": 1}
    assert (await states(store, "old-suite"))["old-suite"] is BuildState.SUCCESS


async def test_what_failed_in_an_earlier_run_is_tried_again(store: Store, family: ScriptedNix, tmp_path: Path) -> None:
    await family.evaluated(store)
    failed = BuildFailed("builder failed with exit code 1", 1)
    builder = ScriptedBuilder(family, {"lib": [failed, failed]}, slots=2)
    scheduler = scripted_scheduler(store, family, [builder], tmp_path)
    await scheduler.build([Wanted(drv_path("old-app"))])
    async with scheduler.running() as run:
        with anyio.fail_after(20):
            await run.retry([drv_path("lib"), drv_path("other")], "asked for again")
            await run.add([Wanted(drv_path("old-app"))])
            await run.finished([drv_path("old-app")])
    assert (await states(store, "old-app"))["old-app"] is BuildState.SUCCESS


async def test_what_nobody_wants_any_more_is_not_built_because_its_input_is_tried_again(
    store: Store, family: ScriptedNix, tmp_path: Path
) -> None:
    await family.evaluated(store)
    failed = BuildFailed("builder failed with exit code 1", 1)
    builder = ScriptedBuilder(family, {"lib": [failed, failed]}, slots=2)
    async with scripted_scheduler(store, family, [builder], tmp_path).running() as run:
        await run.add([Wanted(drv_path("old-suite"), share=OLD), Wanted(drv_path("new-app"), share=NEW)])
        with anyio.fail_after(20):
            await run.finished([drv_path("old-suite"), drv_path("new-app")])
            await run.withdraw(OLD)
            await run.retry([drv_path("lib")], "asked for again")
            await run.add([Wanted(drv_path("new-app"), share=NEW)])
            await run.finished([drv_path("new-app")])
            await run.wait()
    assert builder.attempts == {"lib": 3, "new-app": 1}
    assert (await states(store, "old-suite"))["old-suite"] is BuildState.CANCELLED

"""Cancelling over the database that reviews and builds use."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.errors import UsageFault
from ekaci_core.scheduler import SchedulerSettings, Wanted
from ekaci_core.server.cancelling import cancel
from ekaci_core.server.occupancy import Occupancy
from ekaci_core.server.places import Places
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import BuildChange
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio


@pytest.fixture
def places() -> Places:
    places = Places.of(os.environ)
    places.make()
    return places


@pytest.fixture
def nix() -> ScriptedNix:
    nix = ScriptedNix()
    nix.derivation("lib")
    nix.derivation("app", ["lib"])
    nix.derivation("other")
    return nix


@pytest.fixture
async def store(places: Places, nix: ScriptedNix) -> AsyncIterator[Store]:
    async with open_store(places.database) as store:
        await nix.evaluated(store)
        yield store


async def test_a_build_of_a_run_is_cancelled_and_the_wish_is_taken_away(
    store: Store, nix: ScriptedNix, places: Places, tmp_path: Path
) -> None:
    builder = ScriptedBuilder(nix, {"lib": [for_ever]})
    scheduler = scripted_scheduler(store, nix, [builder], tmp_path, settings=SchedulerSettings(poll_seconds=0.1))
    async with Occupancy.of(places.lock), scheduler.running() as run:
        await run.add([Wanted(drv_path("app"))])
        await builder.begun("lib")
        report = await cancel(drv_path("lib").hash_part, os.environ)
        with anyio.fail_after(20):
            await run.wait()
    assert (report.drv, report.was, report.blocked) == (drv_path("lib"), BuildState.BUILDING, 1)
    assert report.build == Build(drv_path("lib"), BuildState.CANCELLED)
    assert not await store.cancellations()


async def test_what_no_process_has_is_cancelled_at_once(store: Store) -> None:
    lib, app = drv_path("lib"), drv_path("app")
    await store.record_builds([BuildChange(Build(each), 1.0, "wanted") for each in (lib, app)])
    report = await cancel(lib, os.environ)
    assert (report.was, report.build.state, report.blocked) == (BuildState.QUEUED, BuildState.CANCELLED, 1)
    assert (await store.builds([app]))[app].blockers == {lib}
    assert not await store.cancellations()


async def test_what_the_running_processes_do_not_want_is_cancelled_all_the_same(store: Store, places: Places) -> None:
    lib = drv_path("lib")
    await store.record_builds([BuildChange(Build(lib), 1.0, "wanted")])
    async with Occupancy.of(places.lock):
        report = await cancel(lib, os.environ)
    assert report.build.state is BuildState.CANCELLED
    assert not await store.cancellations()


@pytest.mark.parametrize("state", [state for state in BuildState if state.is_terminal])
async def test_what_has_ended_is_not_cancelled(store: Store, state: BuildState) -> None:
    lib = drv_path("lib")
    await store.record_builds([BuildChange(Build(lib, state), 1.0, "so")])
    with pytest.raises(UsageFault, match=f"its state is {state.label}") as raised:
        await cancel(lib, os.environ)
    assert raised.value.exit_status == 2
    assert (await store.builds([lib]))[lib].state is state


async def test_what_is_blocked_or_was_never_queued_is_not_cancelled(store: Store) -> None:
    lib, app = drv_path("lib"), drv_path("app")
    with pytest.raises(UsageFault, match="never queued"):
        await cancel(lib, os.environ)
    await store.record_builds([BuildChange(Build(app, BuildState.BLOCKED, 0, frozenset({lib})), 1.0, "so")])
    with pytest.raises(UsageFault, match="blocked by lib"):
        await cancel(app, os.environ)

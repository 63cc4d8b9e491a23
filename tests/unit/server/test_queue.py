"""The queue as it is told, and what runs in it."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ekaci_core.model.build import Build, BuildState
from ekaci_core.scheduler import Wanted
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.worker import worker_name
from ekaci_core.server.builder_reports import running_attempts
from ekaci_core.server.queue import QueueEntry, queue_of
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import BuildChange
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio


def dead_worker() -> str:
    """The name of a worker whose process has ended."""
    done = subprocess.run(["/bin/sh", "-c", "echo $$"], check=True, capture_output=True, text=True)
    machine, _, _ = worker_name().rsplit(":", 2)
    return f"{machine}:{int(done.stdout)}:12345#1"


@pytest.fixture
def nix() -> ScriptedNix:
    nix = ScriptedNix()
    nix.derivation("lib")
    nix.derivation("app", ["lib"])
    nix.derivation("other")
    return nix


@pytest.fixture
async def store(nix: ScriptedNix) -> AsyncIterator[Store]:
    async with open_store(None) as store:
        await nix.evaluated(store)
        yield store


async def entries(store: Store, nix: ScriptedNix, *, alive: bool = True) -> dict[str, QueueEntry]:
    queue = await queue_of(store, Placement([ScriptedBuilder(nix, slots=1)]), alive=alive)
    return {entry.drv.name: entry for entry in queue.entries}


async def test_each_says_its_state_since_when_and_why(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    builder = ScriptedBuilder(nix, {"lib": [for_ever]}, name="fast", slots=1)
    scheduler = scripted_scheduler(store, nix, [builder], tmp_path)
    began = scheduler.clock.now()
    async with scheduler.running() as run:
        await run.add([Wanted(drv_path("app")), Wanted(drv_path("other"))])
        await builder.begun("lib")
        found = await entries(store, nix)
        running = await running_attempts(store)
    assert list(found) == ["lib", "other", "app"]
    assert {name: (each.state, each.builder, each.why) for name, each in found.items()} == {
        "lib": (BuildState.BUILDING, "fast", "builds on fast"),
        "other": (BuildState.BUILDABLE, None, "no free slot: position 1 of 1 for x86_64-linux"),
        "app": (BuildState.QUEUED, None, "waits for 1 of 1 input"),
    }
    assert all(each.since is not None and each.since >= began for each in found.values())
    assert [(each.drv, each.builder) for each in running] == [(drv_path("lib"), "fast")]
    assert await running_attempts(store) == []


async def test_what_a_dead_process_had_is_not_being_built(store: Store, nix: ScriptedNix) -> None:
    lib = drv_path("lib")
    await store.claim(lib, dead_worker(), now=1.0, until=9e9)
    await store.begin_attempt(lib, builder="fast", log_path=None, now=1.0)
    await store.record_builds([BuildChange(Build(lib, BuildState.BUILDING), 1.0, "on fast")])
    assert await running_attempts(store) == []
    entry = (await entries(store, nix))["lib"]
    assert entry.builder is None
    assert "has ended" in entry.why


async def test_where_nobody_builds_nothing_waits_for_a_slot(store: Store, nix: ScriptedNix) -> None:
    await store.record_builds([BuildChange(Build(drv_path("other"), BuildState.BUILDABLE), 1.0, "")])
    assert "has ended" in (await entries(store, nix, alive=False))["other"].why
    assert "no free slot" in (await entries(store, nix))["other"].why


async def test_the_first_are_told_and_all_are_counted(store: Store, nix: ScriptedNix) -> None:
    names = ("lib", "app", "other")
    await store.record_builds([BuildChange(Build(drv_path(name)), 1.0, "wanted") for name in names])
    placement = Placement([ScriptedBuilder(nix)])
    queue = await queue_of(store, placement, alive=True, limit=2)
    every = await queue_of(store, Placement([ScriptedBuilder(nix)]), alive=True)
    assert (queue.total, every.total) == (3, 3)
    assert queue.entries == every.entries[:2]

"""The time of day is set while we run, by years: what is measured goes by another clock, what is stored is bounded."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.api import BuildFailed, BuildInterrupted, TransientKind
from ekaci_core.model.build import BuildState
from ekaci_core.scheduler import Backoff, Scheduler, SchedulerSettings, Wanted
from ekaci_core.scheduler.claims import Claims
from ekaci_core.scheduler.clock_jumps import Moment
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

YEAR = 365 * 86400.0


class SetClock:
    """A clock whose time of day can be set."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic()


class WildClock(SetClock):
    """Each time that somebody looks it is another year."""

    def now(self) -> float:
        self.ahead = random.uniform(-10, 10) * YEAR  # noqa: S311 - no secret
        return super().now()


def lease_end(database: Path) -> float:
    with closing(sqlite3.connect(database)) as connection:
        (until,) = connection.execute("SELECT until FROM claim").fetchone()
    return float(until)


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
@pytest.mark.anyio
async def test_who_lives_keeps_what_is_claimed(nix: ScriptedNix, tmp_path: Path, jump: float) -> None:
    drv, clock = nix.derivation("a"), SetClock()
    async with open_store(tmp_path / "db") as store, anyio.create_task_group() as tasks:
        await nix.evaluated(store)
        claims = Claims(store, clock, lease_seconds=600)
        assert await claims.take(drv)
        tasks.start_soon(claims.renew)
        await anyio.sleep(0.05)
        clock.ahead += jump
        with anyio.fail_after(60):
            while abs(lease_end(tmp_path / "db") - clock.now() - 600) > 60:  # noqa: ASYNC110 - the contract has no event
                await anyio.sleep(0.05)
        assert await store.claim(drv, "another", now=clock.now(), until=clock.now() + 600) == claims.worker
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_run_ends_as_it_should_whatever_the_time_of_day(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    nix.derivation("base")
    for number in range(20):
        nix.derivation(f"n{number}", ["base"])
    nix.derivation("top", [f"n{number}" for number in range(20)])
    nix.derivation("broken", ["base"])
    await nix.evaluated(store)
    passing = BuildInterrupted(BuildState.PROCESS_DEATH, "no network", transient=TransientKind.NETWORK)
    failing = BuildFailed("builder failed with exit code 1", 1)
    builder = ScriptedBuilder(nix, {"n3": [passing, passing], "broken": [failing, failing]}, slots=4)
    scheduler: Scheduler = attrs.evolve(
        scripted_scheduler(store, nix, [builder], tmp_path),
        clock=WildClock(),
        settings=SchedulerSettings(backoff=Backoff(first_seconds=0.02), poll_seconds=0.05, lease_seconds=0.3),
    )
    with anyio.fail_after(60):
        assert await scheduler.build([Wanted(drv_path("top")), Wanted(drv_path("broken"))]) == ()
    builds = await store.builds([drv_path("top"), drv_path("broken")])
    assert [builds[drv_path(name)].state for name in ("top", "broken")] == [BuildState.SUCCESS, BuildState.FAILURE]
    assert (builder.attempts["n3"], builder.attempts["broken"], builder.violations) == (3, 2, [])
    assert all(0 <= seconds < 60 for seconds in (await store.durations(["x86_64-linux base"])).values())


def test_what_came_later_did_whatever_the_clock_was_set_to() -> None:
    clock = SetClock()
    began = Moment.of(clock)
    assert began.precedes(began.wall + 5, clock)
    assert not began.precedes(began.wall - 5, clock)
    assert not began.has_jumped(clock)
    for jump in (YEAR, -YEAR):
        clock.ahead = jump
        assert began.has_jumped(clock)
        assert began.precedes(began.wall + 5, clock), "it was stored before the clock was set"
        assert began.precedes(began.wall + jump + 5, clock), "and it was stored afterwards"

"""A scheduler that is killed between an attempt's end and the state that follows: nothing is lost or counted twice."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildRequest, TransientKind
from ekaci_core.model.build import COUNTED_OUTCOMES, Build, BuildState
from ekaci_core.scheduler import Backoff, SchedulerSettings, Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

pytestmark = pytest.mark.anyio

# Builds `bad`, which a flaky network interrupts before each failure, and dies right after its n-th write.
CHILD = """
import os
import signal
import sys
from pathlib import Path

import anyio

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildState, TransientKind
from ekaci_core.scheduler import Backoff, SchedulerSettings, Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

folder, left = Path(sys.argv[1]), int(sys.argv[2])
NETWORK = BuildInterrupted(BuildState.PROCESS_DEATH, "no network", transient=TransientKind.NETWORK)
FAILS = BuildFailed("builder failed with exit code 1", 1)


class Mortal:
    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name not in ("write_builds", "end_attempt"):
            return method

        async def die_after(*arguments, **named):
            global left
            result = await method(*arguments, **named)
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return die_after


async def main():
    nix = ScriptedNix()
    nix.derivation("bad")
    nix.derivation("top", ["bad"])
    async with open_store(folder / "db") as store:
        await nix.evaluated(store)
        builder = ScriptedBuilder(nix, {"bad": [NETWORK, FAILS] * 5})
        settings = SchedulerSettings(poll_seconds=0.01, backoff=Backoff(first_seconds=0.001))
        scheduler = scripted_scheduler(Mortal(store), nix, [builder], folder, settings=settings)
        await scheduler.build([Wanted(drv_path("top"))])


anyio.run(main)
"""

# queued, begun, ended and begun again after each pause, and at once after the failure that counts, and ended for good
WRITES = 8


def killed_after(folder: Path, writes: int) -> int:
    """Run the child until it dies after so many writes; return how it ended."""
    return subprocess.run([sys.executable, "-c", CHILD, str(folder), str(writes)], check=False, timeout=60).returncode


async def fails(request: BuildRequest) -> BuildOutcome:
    del request
    return BuildFailed("builder failed with exit code 1", 1)


NETWORK = BuildInterrupted(BuildState.PROCESS_DEATH, "no network", transient=TransientKind.NETWORK)


@pytest.mark.parametrize("writes", range(1, WRITES + 1))
async def test_counted_failures_survive_a_death_after_any_write(tmp_path: Path, writes: int) -> None:
    status = killed_after(tmp_path, writes)
    assert status == -signal.SIGKILL
    nix = ScriptedNix()
    nix.derivation("bad")
    nix.derivation("top", ["bad"])
    bad, top = drv_path("bad"), drv_path("top")
    async with open_store(tmp_path / "db") as store:
        before = [each.outcome for each in (await store.attempts([bad])).get(bad, ())]
        builder = ScriptedBuilder(nix, {"bad": [NETWORK, fails, NETWORK, fails]})
        settings = SchedulerSettings(poll_seconds=0.01, backoff=Backoff(first_seconds=0.001))
        await scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).build([Wanted(top)])
        builds = await store.builds([bad, top])
        assert builds[bad] == Build(bad, BuildState.FAILURE, failures=2)
        assert builds[top] == Build(top, BuildState.TRANSITIVE_FAILURE, blockers=frozenset({bad}))
        attempts = (await store.attempts([bad]))[bad]
        counted = [each for each in attempts if each.outcome in COUNTED_OUTCOMES]
        assert len(counted) == 2, "a failure that was seen is counted, once"
        assert all(each.ended_at is not None for each in attempts)
        assert {each.kind for each in attempts if each.outcome is BuildState.PROCESS_DEATH} <= {TransientKind.NETWORK}
        unfinished = None in before
        assert (BuildState.SCHEDULER_DEATH in [each.outcome for each in attempts]) == unfinished
        assert await store.claims() == {}


async def test_the_death_of_a_scheduler_is_a_state_of_its_own(tmp_path: Path) -> None:
    assert killed_after(tmp_path, 2) == -signal.SIGKILL  # queued, begun
    nix = ScriptedNix()
    nix.derivation("other")
    async with open_store(tmp_path / "db") as store:
        await nix.evaluated(store, "1" * 40)
        await scripted_scheduler(store, nix, [ScriptedBuilder(nix)], tmp_path).build([Wanted(drv_path("other"))])
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        rows = connection.execute(
            "SELECT state, cause FROM build_event WHERE derivation = (SELECT derivation FROM attempt) ORDER BY id"
        ).fetchall()
    died = "the scheduler that ran it died"
    assert [BuildState(state) for state, _ in rows[-3:]] == [
        BuildState.BUILDING,
        BuildState.SCHEDULER_DEATH,
        BuildState.QUEUED,
    ]
    assert [cause for _, cause in rows[-2:]] == [died, died]

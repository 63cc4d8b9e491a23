"""A run that is killed at random moments, again and again: nothing is done that is not recorded, and nothing twice."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from array import array
from collections import Counter
from pathlib import Path

import anyio
import pytest

from ekaci_core.model.build import BuildState
from ekaci_core.model.ids import STORE_DIR
from ekaci_core.store import open_store
from ekaci_core.testing.package_sets import PackageSet

COUNT, EDGES_EACH, KILLS = 2500, 4, 20

# Its builder writes down what it does, the start before anything else.
CHILD = f"""
import os
import sys
from pathlib import Path

import anyio

from ekaci_core.api import Built, InLocalStore
from ekaci_core.bus import Broadcast
from ekaci_core.scheduler import Scheduler, SchedulerSettings, Wanted
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.store import open_store
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.builds import LINUX
from ekaci_core.testing.package_sets import PackageSet

folder = Path(sys.argv[1])
packages = PackageSet.random({COUNT}, {EDGES_EACH})
journal = os.open(folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
lines = (folder / "journal").read_text().split("\\n")
packages.valid = {{drv for drv in packages.records if f"done {{drv}}" in set(lines)}} if len(lines) > 1 else set()


class Builder(InLocalStore):
    name, slots, systems, features = "journal", 8, frozenset({{LINUX}}), frozenset()

    async def build(self, request):
        drv = request.derivation.path
        os.write(journal, f"start {{drv}}\\n".encode())
        assert packages.valid.issuperset(request.derivation.inputs)
        await anyio.sleep(0.001)
        os.write(journal, f"done {{drv}}\\n".encode())
        packages.valid.add(drv)
        return Built()


async def main():
    async with open_store(folder / "db") as store:
        scheduler = Scheduler(
            store=store, builders=[Builder()], survey=packages.survey, clock=RealClock(), log=SilentLogger(),
            events=Broadcast(), logs_dir=folder / "logs", roots_dir=folder / "roots",
            settings=SchedulerSettings(graph=GraphLimits(int(sys.argv[2]) or None)),
        )
        assert await scheduler.build([Wanted(drv) for drv in packages.tops]) == ()


anyio.run(main)
"""


async def make(folder: Path) -> None:
    async with open_store(folder / "db") as store:
        await PackageSet.random(COUNT, EDGES_EACH).evaluated(store)
    (folder / "journal").touch()


def killed(folder: Path, dice: random.Random, capacity: int) -> None:
    """Run until some builds have begun, or not even one, and a moment longer; then kill."""
    journal = folder / "journal"
    enough = journal.stat().st_size + dice.choice([0, 1, 2000, 10_000, 20_000])
    with subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(capacity)], stderr=subprocess.PIPE) as child:
        try:
            while journal.stat().st_size < enough and child.poll() is None:
                time.sleep(0.001)
            time.sleep(dice.random() * (0.02 if journal.stat().st_size > 1 else 1.0))
        finally:
            child.send_signal(signal.SIGKILL)
        _, said = child.communicate()
    assert child.returncode == -signal.SIGKILL, said.decode()


def check(folder: Path) -> None:
    """Hold what was done against what is recorded."""
    journal = [line.split() for line in (folder / "journal").read_text().splitlines()]
    finished: set[str] = set()
    for what, drv in journal:
        assert drv not in finished, f"{drv} was built again"
        if what == "done":
            finished.add(drv)
    with sqlite3.connect(folder / "db") as database:
        paths = {row[0]: f"{STORE_DIR}/{row[1]}.drv" for row in database.execute("SELECT id, path FROM derivation")}
        inputs = {row[0]: array("I", row[1]) for row in database.execute("SELECT id, inputs FROM derivation")}
        states = dict(database.execute("SELECT derivation, state FROM build"))
        attempts = Counter(paths[row[0]] for row in database.execute("SELECT derivation FROM attempt"))
        events = database.execute("SELECT derivation, state FROM build_event ORDER BY id").fetchall()
    database.close()
    starts = Counter(drv for what, drv in journal if what == "start")
    begun = Counter(paths[key] for key, state in events if state == BuildState.BUILDING)
    assert starts <= attempts, "a build began without its row"
    assert starts <= begun, "a build began without its event"
    succeeded: set[int] = set()
    for key, state in events:
        if state in (BuildState.BUILDABLE, BuildState.BUILDING, BuildState.SUCCESS):
            assert succeeded.issuperset(inputs[key]), "it was released before what it needs was recorded"
        if state == BuildState.SUCCESS:
            succeeded.add(key)
            assert paths[key] in finished, "a success was recorded that none is"
    assert {key for key, state in states.items() if state == BuildState.SUCCESS} == succeeded


@pytest.mark.timeout(300)
def test_a_run_killed_at_random_moments_does_nothing_unrecorded_and_nothing_twice(tmp_path: Path) -> None:
    anyio.run(make, tmp_path)
    dice = random.Random(3)  # noqa: S311 - no secret
    for number in range(KILLS):
        killed(tmp_path, dice, 60 * (number % 2))  # every second time, hardly any of the graph is in memory
        check(tmp_path)
    unfinished = (tmp_path / "journal").read_text().count("done")
    assert 0 < unfinished < COUNT, "the kills came during the run"
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), "60"], check=True)
    check(tmp_path)
    assert (tmp_path / "journal").read_text().count("done") == COUNT
    with sqlite3.connect(tmp_path / "db") as database:
        assert database.execute("SELECT DISTINCT state, failures FROM build").fetchall() == [(BuildState.SUCCESS, 0)]
    database.close()

"""Measure the memory of a run with many live derivations: ``script/bench scheduler memory``.

One process makes the database, another opens it, plans all of it and prints its resident size; nothing is built.
With ``--capacity N`` two more plan all of it and build a part, one with all of the graph in memory and one with N
derivations of it, and print what Python allocated for the graph (``tracemalloc``).
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import gc
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Collection
from pathlib import Path

import anyio

from ekaci_core.api import BuildOutcome, BuildRequest, Built, InLocalStore
from ekaci_core.bus import Broadcast
from ekaci_core.cli.entry import COLLECT_AFTER
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import BuildPlan, parse_dry_run
from ekaci_core.scheduler import Scheduler, SchedulerSettings, Wanted
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.builds import LINUX, for_ever
from ekaci_core.testing.package_sets import PackageSet

GRAPH = ("scheduler/*", "model/build.py", "store/compact.py", "store/derivations.py")
"""What allocates the graph: its nodes and columns, names and states."""


def resident(what: str = "VmRSS") -> float:
    """Return the resident size of this process in MiB, or its peak (VmHWM)."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


async def make(folder: Path, derivations: int, edges_each: int, name_length: int) -> None:
    """Write the database, and what Nix would print as its plan."""
    packages = PackageSet.random(derivations, edges_each, name_length=name_length)
    async with open_store(folder / "db") as store:
        await packages.evaluated(store)
    lines = [f"these {derivations} derivations will be built:", *(f"  {drv}" for drv in packages.records)]
    (folder / "plan").write_text("\n".join(lines))
    (folder / "tops").write_text("\n".join(packages.tops))
    edges = sum(len(record.inputs) for record in packages.records.values())
    print(f"{derivations:,} derivations, {edges:,} edges")


class Endless(InLocalStore):
    """Builds so many in no time, and never finishes the next one, so that all others stay live."""

    name = "endless"
    slots = 1
    systems = frozenset({LINUX})
    features: frozenset[str] = frozenset()

    def __init__(self, builds: int = 0) -> None:
        self.left = builds
        self.done = anyio.Event()

    async def build(self, request: BuildRequest) -> BuildOutcome:
        if self.left:
            self.left -= 1
            return Built()
        self.done.set()
        return await for_ever(request)


def scheduler_of(folder: Path, store: Store, builder: Endless, capacity: int | None) -> Scheduler:
    """Return the real scheduler, which is told that all must be built."""

    async def survey(drvs: Collection[DrvPath]) -> BuildPlan:
        del drvs
        return parse_dry_run((folder / "plan").read_text())

    return Scheduler(
        store=store,
        builders=[builder],
        survey=survey,
        clock=RealClock(),
        log=SilentLogger(),
        events=Broadcast(),
        logs_dir=folder / "logs",
        roots_dir=folder / "roots",
        settings=SchedulerSettings(graph=GraphLimits(capacity)),
    )


async def plan_within(folder: Path, capacity: int | None, builds: int) -> None:
    """Plan all of it and build a part, and print what its graph takes."""
    builder = Endless(builds)
    async with open_store(folder / "db") as store:
        wanted = [Wanted(DrvPath(line)) for line in (folder / "tops").read_text().splitlines()]
        began = time.perf_counter()
        tracemalloc.start(1)
        async with scheduler_of(folder, store, builder, capacity).running() as run:
            await run.add(wanted)
            _, peak = tracemalloc.get_traced_memory()
            await builder.done.wait()
            gc.collect()
            took, taken = time.perf_counter() - began, tracemalloc.get_traced_memory()[0]
            snapshot = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(inclusive=True, filename_pattern=f"*/ekaci_core/{each}") for each in GRAPH]
            )
            graph, figures = sum(trace.size for trace in snapshot.traces), run.metrics
    print(f"  capacity {capacity or 'unlimited'}: {took:.0f} s with all allocations traced, {run.built:,} built")
    print(
        f"    the graph: {graph / 2**20:.1f} MiB; all: {taken / 2**20:.1f}; while planning at most {peak / 2**20:.1f}"
    )
    print(
        f"    in memory: {figures.nodes:,} of {figures.total:,}, {figures.pinned:,} pinned; {figures.reloads:,} reloads"
    )


async def plan(folder: Path) -> None:
    """Plan all of it, and print what that took."""
    at_first = resident()
    async with open_store(folder / "db") as store:
        scheduler = scheduler_of(folder, store, Endless(), None)
        wanted = [Wanted(DrvPath(line)) for line in (folder / "tops").read_text().splitlines()]
        began, cpu = time.perf_counter(), time.process_time()
        async with scheduler.running() as run:
            await run.add(wanted)
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            del wanted
            print(f"  planned in {took:.1f} s, {cpu:.1f} s of processor time")
            print(f"  resident: {resident():.0f} MiB, {at_first:.0f} of them before; {resident('VmHWM'):.0f} at most")


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/bench scheduler memory", description=__doc__)
    parser.add_argument("--derivations", type=int, default=300_000)
    parser.add_argument("--edges-each", type=int, default=5)
    parser.add_argument("--name-length", type=int, default=55, help="of names, after the hash, at least")
    parser.add_argument("--capacity", type=int, help="compare with so many derivations in memory at most")
    parser.add_argument("--builds", type=int, default=2000, help="to make before that is measured")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        gc.set_threshold(*COLLECT_AFTER)
        if options.capacity is None:
            anyio.run(plan, options.folder)
        else:
            anyio.run(plan_within, options.folder, options.capacity or None, options.builds)
        return 0
    with tempfile.TemporaryDirectory() as name:
        anyio.run(make, Path(name), options.derivations, options.edges_each, options.name_length)
        sys.stdout.flush()
        again = [sys.executable, __file__, "--folder", name]
        bounds = [] if options.capacity is None else [0, options.capacity]
        runs = [again, *([*again, "--capacity", str(each), "--builds", str(options.builds)] for each in bounds)]
        Path(name, "db").rename(Path(name, "made"))
        for argv in runs:
            for leftover in Path(name).glob("db*"):
                leftover.unlink()
            shutil.copy(Path(name, "made"), Path(name, "db"))
            if subprocess.run(argv, check=False).returncode:
                return 1
        return 0


if __name__ == "__main__":
    sys.exit(main())

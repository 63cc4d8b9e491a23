"""Measure builds a second with builds that take no time: ``script/bench scheduler throughput``.

Builds a made-up graph, or a recorded closure (``--recording COMMIT.drvs.jsonl.gz``), into a database in a file, and
prints builds a second, processor time, and how long transitions waited for their commit.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import gc
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio

from ekaci_core.api import BuildOutcome, BuildRequest, Built, InLocalStore
from ekaci_core.bus import Broadcast
from ekaci_core.cli.entry import COLLECT_AFTER
from ekaci_core.model.build import BuildState
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler import Scheduler, SchedulerSettings, Wanted
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import BuildWrites, StartAnswer
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.builds import LINUX
from ekaci_core.testing.package_sets import PackageSet


class InstantBuilder(InLocalStore):
    """Takes no time at all; notes when each build ended."""

    name = "instant"
    systems = frozenset({LINUX})
    features: frozenset[str] = frozenset()

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.ended: dict[DrvPath, float] = {}

    async def build(self, request: BuildRequest) -> BuildOutcome:
        self.ended[request.derivation.path] = time.time()
        return Built()


class TimedStore:
    """A store that notes how long what it is handed had waited by the time it was written."""

    def __init__(self, store: Store, builder: InstantBuilder) -> None:
        self._store = store
        self._builder = builder
        self.since_end: list[float] = []
        self.since_handed_in: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write_builds(
        self, writes: BuildWrites, worker: str, *, now: float, until: float
    ) -> Sequence[StartAnswer]:
        answers = await self._store.write_builds(writes, worker, now=now, until=until)
        done = time.time()
        self.since_handed_in += (done - change.at for change in writes.changes)
        self.since_end += (
            done - self._builder.ended[change.build.drv]
            for change in writes.changes
            if change.build.state is BuildState.SUCCESS
        )
        return answers


def spread(seconds: list[float]) -> str:
    """Write p50, p99 and the greatest in milliseconds."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    return f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, at most {ordered[-1] * 1e3:.1f} ms"


async def measure(packages: PackageSet, slots: int, capacity: int | None) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        builder = InstantBuilder(slots)
        async with open_store(folder / "db") as store:
            await packages.evaluated(store)
            timed = TimedStore(store, builder)
            scheduler = Scheduler(
                store=cast("Store", timed),
                builders=[builder],
                survey=packages.survey,
                clock=RealClock(),
                log=SilentLogger(),
                events=Broadcast(),
                logs_dir=folder / "logs",
                roots_dir=folder / "roots",
                settings=SchedulerSettings(graph=GraphLimits(capacity)),
            )
            wanted = [Wanted(drv) for drv in packages.tops]
            began, cpu = time.perf_counter(), time.process_time()
            async with scheduler.running() as run:
                await run.add(wanted)
                planned, planning = time.perf_counter() - began, time.process_time() - cpu
                await run.wait()
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
    count = len(packages.records)
    assert builder.ended.keys() == packages.records.keys()
    edges = sum(len(record.inputs) for record in packages.records.values())
    building = took - planned
    print(f"{count:,} derivations, {edges:,} edges, {slots} slots")
    print(f"  elapsed: {took:.1f} s, {planned:.1f} s of them planning; {count / building:,.0f} builds/s after planning")
    print(
        f"  processor: {cpu:.1f} s, {planning:.1f} s of them planning; {(cpu - planning) / count * 1e6:.0f} µs a build"
    )
    print(f"  from the end of a build to its commit: {spread(timed.since_end)}")
    print(f"  from a transition to its commit: {spread(timed.since_handed_in)}")
    print(f"  largest resident size: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench scheduler throughput", description=__doc__)
    parser.add_argument("--derivations", type=int, default=100_000)
    parser.add_argument("--edges-each", type=int, default=5)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--capacity", type=int, help="of derivations in memory; all without it")
    options = parser.parse_args()
    gc.set_threshold(*COLLECT_AFTER)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core is what the figures are of
    if options.recording is None:
        packages = PackageSet.random(options.derivations, options.edges_each)
    else:
        packages = PackageSet.recorded(options.recording)
    anyio.run(partial(measure, packages, options.slots, options.capacity))


if __name__ == "__main__":
    main()

"""Measure the memory of a run with many live derivations: ``script/bench scheduler memory``.

One process makes the database, another opens it, plans all of it and prints its resident size; nothing is built.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import gc
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

import anyio

from ekaci_core.api import BuildOutcome, BuildRequest, InLocalStore
from ekaci_core.bus import Broadcast
from ekaci_core.cli.entry import COLLECT_AFTER
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import BuildPlan, parse_dry_run
from ekaci_core.scheduler import Scheduler, Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.builds import LINUX, for_ever
from ekaci_core.testing.package_sets import PackageSet


def resident(what: str = "VmRSS") -> float:
    """Return the resident size of this process in MiB, or its peak (VmHWM)."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


async def make(folder: Path, derivations: int, edges_each: int) -> None:
    """Write the database, and what Nix would print as its plan."""
    packages = PackageSet.random(derivations, edges_each)
    async with open_store(folder / "db") as store:
        await packages.evaluated(store)
    lines = [f"these {derivations} derivations will be built:", *(f"  {drv}" for drv in packages.records)]
    (folder / "plan").write_text("\n".join(lines))
    (folder / "tops").write_text("\n".join(packages.tops))
    edges = sum(len(record.inputs) for record in packages.records.values())
    print(f"{derivations:,} derivations, {edges:,} edges")


class Endless(InLocalStore):
    """Never finishes its one build, so that all stays live."""

    name = "endless"
    slots = 1
    systems = frozenset({LINUX})
    features: frozenset[str] = frozenset()

    async def build(self, request: BuildRequest) -> BuildOutcome:
        return await for_ever(request)


async def plan(folder: Path) -> None:
    """Plan all of it, and print what that took."""

    async def survey(drvs: Collection[DrvPath]) -> BuildPlan:
        del drvs
        return parse_dry_run((folder / "plan").read_text())

    at_first = resident()
    async with open_store(folder / "db") as store:
        scheduler = Scheduler(
            store=store,
            builders=[Endless()],
            survey=survey,
            clock=RealClock(),
            log=SilentLogger(),
            events=Broadcast(),
            logs_dir=folder / "logs",
            roots_dir=folder / "roots",
        )
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
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        gc.set_threshold(*COLLECT_AFTER)
        anyio.run(plan, options.folder)
        return 0
    with tempfile.TemporaryDirectory() as name:
        anyio.run(make, Path(name), options.derivations, options.edges_each)
        sys.stdout.flush()
        return subprocess.run([sys.executable, __file__, "--folder", name], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

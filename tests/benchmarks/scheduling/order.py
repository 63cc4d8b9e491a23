"""Measure in which order builds are begun, on simulated machines: ``script/bench scheduler order [RECORDING]``.

RECORDING is a ``COMMIT.drvs.jsonl.gz``; without one a set of 5,000 is made up. Durations are long-tailed. The whole set
is built twice, first with nothing known of durations and then, all of it changed, with what was learnt; then 20 pull
requests are built at once, one that changes all and 19 that change one package to three, once for each seed. Beside
each figure stands what could be had at best by who knows every duration.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import gc
import statistics
import time
from functools import partial, reduce
from operator import or_
from pathlib import Path

from ekaci_core.cli.entry import COLLECT_AFTER
from ekaci_core.store import open_store
from ekaci_core.testing.package_sets import PackageSet
from ekaci_core.testing.schedules import KnownWork, least_stretch
from ekaci_core.testing.simulation import (
    MachineType,
    Seconds,
    VirtualClock,
    build_all,
    long_tailed,
    lower_bound,
    simulated,
    small_changes,
)


def seconds_of(options: argparse.Namespace, seed: int = 0) -> Seconds:
    """Return how long builds take."""
    return partial(long_tailed, sigma=options.sigma, each=options.each, seed=str(seed or ""))


async def twice(options: argparse.Namespace, packages: PackageSet, machines: int, clock: VirtualClock) -> None:
    """Build all of a set, and again after a change to all of it."""
    seconds = seconds_of(options)
    async with open_store(None) as store:
        for known in ("nothing known", "learnt"):
            some = packages.renewed(known)
            await some.evaluated(store)
            kind = MachineType(clock, some, seconds)
            cpu = time.process_time()
            began = await build_all(kind, store, machines, {"mass": some})
            took, bound = time.process_time() - cpu, lower_bound(some, seconds, machines)
            makespan = max(kind.ends.values()) - began
            assert len(kind.ends) == len(some.records)
            print(
                f"{machines:3} machines, {known:13}: {makespan:9.0f} s, {makespan / bound:.3f} of the lower bound"
                f" ({took:.0f} s of processor time)",
                flush=True,
            )
    everything = packages.renewed("learnt")
    bound, work = lower_bound(everything, seconds, machines), KnownWork.of(everything, seconds)
    least, best = work.bound(machines) / bound, work.best_known(machines, tries=options.tries) / bound
    print(f"{machines:3} machines, known: no schedule is under {least:.3f}, the best found is {best:.3f}", flush=True)


async def together(
    options: argparse.Namespace, packages: PackageSet, machines: int, seed: int, clock: VirtualClock
) -> None:
    """Build a mass rebuild and small pull requests at once, after durations were learnt."""
    seconds = seconds_of(options, seed)
    small, mass, before = (
        small_changes(packages, 19, seed=7 + seed),
        packages.renewed("mass"),
        packages.renewed("before"),
    )
    everything = reduce(or_, small, mass)
    async with open_store(None) as store:
        for some in (before, everything):
            await some.evaluated(store)
        await build_all(MachineType(clock, before, seconds), store, machines, {"before": before})
        kind = MachineType(clock, everything, seconds)
        shares = {"mass": mass} | {f"small-{number}": change for number, change in enumerate(small)}
        began = await build_all(kind, store, machines, shares)
    alone = [sum(map(seconds, change.records.values())) for change in small]
    ends = [max(kind.ends[drv] for drv in change.records) - began for change in small]
    times = [end / each for end, each in zip(ends, alone, strict=True)]
    bound, whole = lower_bound(everything, seconds, machines), max(kind.ends.values()) - began
    least = KnownWork.of(everything, seconds).bound(machines) / bound
    print(
        f"{machines:3} machines, 20 pull requests at once, seed {seed}: small ones take {statistics.median(times):.2f}"
        f" times (median) what they take alone, at most {max(times):.2f}, at best {least_stretch(alone, machines):.2f};"
        f" all is done after {whole / bound:.3f} of the lower bound, at best {least:.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench scheduler order", description=__doc__)
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("--machines", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--sigma", type=float, default=1.5, help="of the lognormal durations of names")
    parser.add_argument("--each", type=float, default=0.25, help="of the lognormal factor of each derivation")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4], help="of pull requests and durations")
    parser.add_argument("--tries", type=int, default=5, help="schedules with noise that are compared")
    options = parser.parse_args()
    gc.set_threshold(*COLLECT_AFTER)
    packages = PackageSet.random(5000, 5) if options.recording is None else PackageSet.recorded(options.recording)
    for machines in options.machines:
        simulated(partial(twice, options, packages, machines))
        for seed in options.seeds:
            simulated(partial(together, options, packages, machines, seed))


if __name__ == "__main__":
    main()

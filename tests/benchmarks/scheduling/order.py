"""Measure in which order builds are begun, on simulated machines: ``script/bench scheduler order [RECORDING]``.

RECORDING is a ``COMMIT.drvs.jsonl.gz``; without one a set of 5,000 is made up. Durations are long-tailed. The whole set
is built twice, first with nothing known of durations and then, all of it changed, with what was learnt; then 20 pull
requests are built at once, one that changes all and 19 that change one package to three.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import attrs

from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler import Wanted
from ekaci_core.scheduler.wishes import Share
from ekaci_core.store import Store, open_store
from ekaci_core.testing.package_sets import PackageSet
from ekaci_core.testing.simulation import (
    MachineType,
    Seconds,
    VirtualClock,
    lower_bound,
    simulated,
    simulated_scheduler,
)

MEDIAN_SECONDS = 30.0


def long_tailed(record: DerivationRecord, *, sigma: float, each: float) -> float:
    """Seconds of a build: lognormal over names, and of each derivation of a name a lognormal factor."""
    of_name, own = random.Random(record.name), random.Random(record.path)  # noqa: S311 - no secrets
    return MEDIAN_SECONDS * of_name.lognormvariate(0, sigma) * own.lognormvariate(0, each)


async def built(
    clock: VirtualClock, store: Store, packages: PackageSet, seconds: Seconds, machines: int, wishes: Sequence[Wanted]
) -> dict[DrvPath, float]:
    """Build; return when each ended."""
    kind = MachineType(clock, packages, seconds)
    began = clock.now()
    with tempfile.TemporaryDirectory() as folder:
        async with simulated_scheduler(store, kind, machines, Path(folder)) as scheduler:
            assert await scheduler.build(wishes) == ()
    return {drv: at - began for drv, at in kind.ends.items()}


async def twice(options: argparse.Namespace, packages: PackageSet, machines: int, clock: VirtualClock) -> None:
    """Build all of a set, and again after a change to all of it."""
    seconds = partial(long_tailed, sigma=options.sigma, each=options.each)
    async with open_store(None) as store:
        for known in ("nothing known", "learnt"):
            some = packages.renewed(known)
            await some.evaluated(store)
            began = time.process_time()
            ends = await built(clock, store, some, seconds, machines, [Wanted(drv) for drv in some.tops])
            took, bound = time.process_time() - began, lower_bound(some, seconds, machines)
            makespan = max(ends.values())
            assert len(ends) == len(some.records)
            print(
                f"{machines:3} machines, {known:13}: {makespan:9.0f} s, {makespan / bound:.3f} of the lower bound"
                f" ({took:.0f} s of processor time)",
                flush=True,
            )


@attrs.frozen
class Request:
    """A pull request that changes few packages."""

    name: str
    packages: PackageSet


def small_requests(packages: PackageSet, count: int) -> list[Request]:
    """Make requests that change one package, or two or three that need one another; all else is there."""
    dice = random.Random(7)  # noqa: S311 - no secret
    requests = []
    for number in range(count):
        chosen: list[DerivationRecord] = []
        for record in dice.sample(list(packages.records.values()), 1 + number % 3):
            chosen.append(attrs.evolve(record, inputs=tuple(each.path for each in chosen[-1:])))
        requests.append(Request(f"small-{number}", PackageSet(chosen).renewed(f"small {number}")))
    return requests


async def together(options: argparse.Namespace, packages: PackageSet, machines: int, clock: VirtualClock) -> None:
    """Build a mass rebuild and small pull requests at once, after durations were learnt."""
    seconds = partial(long_tailed, sigma=options.sigma, each=options.each)
    small, mass = small_requests(packages, 19), packages.renewed("mass")
    async with open_store(None) as store:
        first = packages.renewed("first")
        await first.evaluated(store)
        await built(clock, store, first, seconds, machines, [Wanted(drv) for drv in first.tops])
        everything = mass
        for request in small:
            everything |= request.packages
        await everything.evaluated(store)
        wishes = [Wanted(drv, share=Share("mass")) for drv in mass.tops]
        for request in small:
            wishes += [Wanted(drv, share=Share(request.name)) for drv in request.packages.tops]
        ends = await built(clock, store, everything, seconds, machines, wishes)
    times = []
    for request in small:
        alone = sum(map(seconds, request.packages.records.values()))
        times.append(max(ends[drv] for drv in request.packages.records) / alone)
    bound = lower_bound(everything, seconds, machines)
    print(
        f"{machines:3} machines, 20 pull requests at once: small ones take {statistics.median(times):.2f} times what they"
        f" take alone (median), at most {max(times):.2f}; all is done after {max(ends.values()) / bound:.3f} of the lower"
        " bound",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench scheduler order", description=__doc__)
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("--machines", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--sigma", type=float, default=1.5, help="of the lognormal durations of names")
    parser.add_argument("--each", type=float, default=0.25, help="of the lognormal factor of each derivation")
    options = parser.parse_args()
    packages = PackageSet.random(5000, 5) if options.recording is None else PackageSet.recorded(options.recording)
    for machines in options.machines:
        simulated(partial(twice, options, packages, machines))
        simulated(partial(together, options, packages, machines))


if __name__ == "__main__":
    main()

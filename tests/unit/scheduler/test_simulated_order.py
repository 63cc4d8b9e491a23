"""The order of builds, judged by when they end on simulated machines; durations are made up, the scheduler is real."""

from __future__ import annotations

from functools import partial, reduce
from operator import or_

import pytest

from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.store import open_store
from ekaci_core.testing.package_sets import PackageSet
from ekaci_core.testing.schedules import KnownWork
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

PACKAGES = PackageSet.random(600, 3)


async def makespans(packages: PackageSet, machines: int, seconds: Seconds, clock: VirtualClock) -> list[float]:
    """Build all of a set, and again after a change to all of it; return the times by their lower bounds."""
    found = []
    async with open_store(None) as store:
        for tag in ("first", "second"):
            some = packages.renewed(tag)
            await some.evaluated(store)
            kind = MachineType(clock, some, seconds)
            began = await build_all(kind, store, machines, {"": some})
            assert kind.ends.keys() == some.records.keys()
            found.append((max(kind.ends.values()) - began) / lower_bound(some, seconds, machines))
    return found


@pytest.mark.parametrize("machines", [4, 16])
def test_all_machines_are_busy_until_the_end(machines: int) -> None:
    _, learnt = simulated(partial(makespans, PACKAGES, machines, long_tailed))
    assert 1.0 <= learnt <= 1.10


def test_what_takes_long_begins_early_once_that_was_learnt() -> None:
    def last_is_long(record: DerivationRecord) -> float:
        return 100.0 if record.name == "n99" else 10.0

    # Nothing needs anything, so that nothing but durations tells what should go first.
    unknown, learnt = simulated(partial(makespans, PackageSet.random(100, 0), 10, last_is_long))
    assert unknown > 1.5
    assert learnt <= 1.10


async def alone_and_together(machines: int, seed: int, clock: VirtualClock) -> tuple[list[float], float]:
    """Build a mass rebuild and 19 small changes at once; return what the small ones took by what they take alone."""
    seconds = partial(long_tailed, seed=str(seed))
    small, mass, before = small_changes(PACKAGES, 19, seed=seed), PACKAGES.renewed("mass"), PACKAGES.renewed("before")
    everything = reduce(or_, small, mass)
    async with open_store(None) as store:
        for some in (before, everything):
            await some.evaluated(store)
        await build_all(MachineType(clock, before, seconds), store, machines, {"before": before})
        kind = MachineType(clock, everything, seconds)
        shares = {"mass": mass} | {f"small-{number}": change for number, change in enumerate(small)}
        began = await build_all(kind, store, machines, shares)
    ratios = []
    for change in small:
        alone = sum(map(seconds, change.records.values()))
        ratios.append((max(kind.ends[drv] for drv in change.records) - began) / alone)
    whole = max(kind.ends.values()) - began
    return ratios, whole / KnownWork.of(everything, seconds).bound(machines)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("machines", [4, 16])
def test_small_changes_do_not_wait_for_a_mass_rebuild(machines: int, seed: int) -> None:
    ratios, whole = simulated(partial(alone_and_together, machines, seed))
    assert min(ratios) >= 0.999
    assert max(ratios) <= 3.0
    assert whole <= 1.10, "and the mass rebuild hardly waits for them"


def test_a_simulation_is_the_same_each_time() -> None:
    def durations(record: DerivationRecord) -> float:
        return 1.0 + len(record.inputs)

    async def ends(clock: VirtualClock) -> dict[str, float]:
        packages = PackageSet.random(200, 4)
        async with open_store(None) as store:
            await packages.evaluated(store)
            kind = MachineType(clock, packages, durations)
            await build_all(kind, store, 5, {"": packages})
        return {drv.name: at for drv, at in kind.ends.items()}

    assert simulated(ends) == simulated(ends)

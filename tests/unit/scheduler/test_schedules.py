"""The bounds by which schedules are judged."""

from __future__ import annotations

import itertools
from heapq import heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.testing.builds import ScriptedNix
from ekaci_core.testing.package_sets import PackageSet
from ekaci_core.testing.schedules import KnownWork, least_stretch
from ekaci_core.testing.simulation import long_tailed, lower_bound


@pytest.mark.parametrize("machines", [1, 2, 4, 16, 1000])
def test_the_bound_is_sharper_than_the_usual_one_and_no_schedule_beats_it(machines: int) -> None:
    packages = PackageSet.random(400, 3)
    work = KnownWork.of(packages, long_tailed)
    usual = lower_bound(packages, long_tailed, machines)
    assert usual * 0.999 <= work.bound(machines) <= work.best_known(machines, tries=3) * 1.001


def test_with_one_machine_or_very_many_the_bound_is_what_it_takes() -> None:
    work = KnownWork.of(PackageSet.random(200, 3), long_tailed)
    for machines in (1, 200):
        assert work.best_known(machines, tries=0) == pytest.approx(work.bound(machines))


def test_a_bound_that_neither_work_nor_way_gives() -> None:
    nix = ScriptedNix()
    nix.derivation("first")
    for number in range(4):
        nix.derivation(f"after-{number}", ["first"])
    packages = PackageSet(nix.records.values())
    assert lower_bound(packages, lambda _: 10.0, 2) == 25.0
    work = KnownWork.of(packages, lambda _: 10.0)
    assert work.bound(2) == work.best_known(2) == 30.0, "one machine has nothing to do at first"


def one_after_the_other(alone: tuple[float, ...], machines: int) -> float:
    free = [0.0] * machines
    worst = 0.0
    for each in alone:
        end = heappop(free) + each
        worst = max(worst, end / each)
        heappush(free, end)
    return worst


@given(st.lists(st.floats(1, 100), min_size=1, max_size=5), st.integers(1, 3))
def test_no_order_keeps_less_than_the_least_stretch(alone: list[float], machines: int) -> None:
    best = min(one_after_the_other(order, machines) for order in itertools.permutations(alone))
    assert 1.0 <= least_stretch(alone, machines) <= best * (1 + 1e-6)


def test_equals_wait_for_each_other() -> None:
    assert least_stretch([5.0] * 20, 4) == pytest.approx(5.0)
    assert least_stretch([5.0] * 4, 4) == pytest.approx(1.0)

"""How well a schedule could do at best: bounds and schedules with every duration known, to judge a scheduler by."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush, nlargest
from typing import Final

import attrs

from ekaci_core.testing.package_sets import PackageSet
from ekaci_core.testing.simulation import Seconds

_HEADS: Final = 50
_HALVINGS: Final = 40


@attrs.frozen
class KnownWork:
    """Derivations by their places in a list, inputs first, with all that a scheduler would like to know.

    Attributes:
        seconds: how long each takes.
        inputs: what each needs directly.
        dependents: what needs it.
        heads: the least time before each can begin.
        ways: the least time from the beginning of each to the end of all that needs it.
    """

    seconds: Sequence[float]
    inputs: Sequence[Sequence[int]]
    dependents: Sequence[Sequence[int]]
    heads: Sequence[float]
    ways: Sequence[float]

    @classmethod
    def of(cls, packages: PackageSet, seconds: Seconds) -> KnownWork:
        """Measure a package set."""
        place = {drv: at for at, drv in enumerate(packages.records)}
        took = [seconds(record) for record in packages.records.values()]
        inputs = [[place[drv] for drv in record.inputs] for record in packages.records.values()]
        dependents: list[list[int]] = [[] for _ in took]
        heads, ways = [0.0] * len(took), list(took)
        for at, needed in enumerate(inputs):
            heads[at] = max((heads[each] + took[each] for each in needed), default=0.0)
            for each in needed:
                dependents[each].append(at)
        for at in reversed(range(len(took))):
            ways[at] += max((ways[each] for each in dependents[at]), default=0.0)
        return cls(took, inputs, dependents, heads, ways)

    def bound(self, machines: int) -> float:
        """Return a time in which no scheduler could build all.

        What cannot begin before some time, and is followed by a way of some length, must be done in between: that time,
        plus the work shared by all machines, plus the way. The critical path and the work divided by the machines are
        two cases of it.
        """
        tails = [way - took for way, took in zip(self.ways, self.seconds, strict=True)]
        longest_first = sorted(range(len(tails)), key=lambda at: -tails[at])
        found = max((head + way for head, way in zip(self.heads, self.ways, strict=True)), default=0.0)
        for start in self._telling_starts(machines):
            work = 0.0
            for at in longest_first:
                if self.heads[at] >= start:
                    work += self.seconds[at]
                    found = max(found, start + work / machines + tails[at])
        return found

    def _telling_starts(self, machines: int) -> list[float]:
        """Return times after which most remains to be done, and the beginning."""
        work, ends = 0.0, {}
        for at in sorted(range(len(self.heads)), key=lambda at: -self.heads[at]):
            work += self.seconds[at]
            ends[self.heads[at]] = self.heads[at] + work / machines
        return [0.0, *nlargest(_HEADS, ends, key=ends.__getitem__)]

    def best_known(self, machines: int, *, tries: int = 20) -> float:
        """Return the shortest of several list schedules: by longest ways, by longest builds, and by ways with noise."""
        dice = random.Random(1)  # noqa: S311 - no secret
        orders = [self.ways, self.seconds]
        orders += [[way * dice.lognormvariate(0, 0.1) for way in self.ways] for _ in range(tries)]
        return min(self._scheduled(machines, order) for order in orders)

    def _scheduled(self, machines: int, order: Sequence[float]) -> float:
        """Build whatever is ready and comes first, whenever a machine is free; return the time at the end."""
        missing = [len(each) for each in self.inputs]
        ready = [(-order[at], at) for at, count in enumerate(missing) if not count]
        heapify(ready)
        running: list[tuple[float, int]] = []
        now = 0.0
        while ready or running:
            while ready and len(running) < machines:
                at = heappop(ready)[1]
                heappush(running, (now + self.seconds[at], at))
            now = running[0][0]
            while running and running[0][0] == now:
                for each in self.dependents[heappop(running)[1]]:
                    missing[each] -= 1
                    if not missing[each]:
                        heappush(ready, (-order[each], each))
        return now


def least_stretch(alone: Collection[float], machines: int) -> float:
    """Return a factor below which nobody can keep all of these, each of which one machine at a time can work on.

    All begin at once, there is nothing else to do, and what was begun may be put aside at any time. For a factor, each
    has a deadline; until the deadline of one, its own work and that of all with earlier ones must be done, and of those
    with later ones what does not fit behind it.
    """

    def may_be_kept(factor: float) -> bool:
        return all(
            sum(min(each, max(0.0, each - factor * (each - one))) for each in alone)
            <= machines * factor * one * (1 + 1e-9)
            for one in alone
        )

    low, high = 1.0, float(max(1, len(alone)))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if may_be_kept(middle) else (middle, high)
    return high

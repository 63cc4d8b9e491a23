"""Measure one decision of the scheduler with many runnable derivations: ``script/bench scheduler decisions``.

First the queue alone, with 20 shares and several lanes; then whole turns of a run over a database in a file.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import gc
import random
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
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler import Scheduler, Wanted
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Lane, Placement
from ekaci_core.scheduler.ready_queue import ReadyQueue
from ekaci_core.scheduler.wishes import Share
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import BuildWrites, StartAnswer
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.builds import LINUX
from ekaci_core.testing.package_sets import PackageSet

BUILDERS = 3
SHARES = 20


class InstantBuilder(InLocalStore):
    """Takes no time at all."""

    systems = frozenset({LINUX})
    features: frozenset[str] = frozenset()

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.slots = slots

    async def build(self, request: BuildRequest) -> BuildOutcome:
        del request
        return Built()


class WatchedStore:
    """A store that notes how long each turn took, and how many builds it began."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last = 0.0
        self.turns: list[tuple[float, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write_builds(
        self, writes: BuildWrites, worker: str, *, now: float, until: float
    ) -> Sequence[StartAnswer]:
        begun = len(writes.starts)
        answers = await self._store.write_builds(writes, worker, now=now, until=until)
        at = time.perf_counter()
        if begun and self._last:
            self.turns.append((at - self._last, begun))
        self._last = at
        return answers


def quantiles(seconds: list[float]) -> str:
    """Write p50, p99 and the greatest in milliseconds."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    return f"p50 {p50 * 1e3:.3f} ms, p99 {p99 * 1e3:.3f} ms, at most {ordered[-1] * 1e3:.3f} ms"


def queue_alone(count: int) -> None:
    """Take everything out of a queue of this length."""
    dice = random.Random(1)  # noqa: S311 - no secret
    placement = Placement([InstantBuilder(f"instant-{number}", 64) for number in range(BUILDERS)])
    lanes = [Lane((number,)) for number in range(BUILDERS)]
    shares = [(Share(f"pull request {number}"),) for number in range(SHARES)]
    queue = ReadyQueue()
    for key in range(count):
        build = Build(DrvPath(f"n{key}"), BuildState.BUILDABLE)
        chain = dice.lognormvariate(3, 1.5)
        queue.push(Node(key=key, build=build, lane=dice.choice(lanes), chain=chain, shares=dice.choice(shares)))
    took = []
    for _ in range(count):
        began = time.perf_counter()
        node = queue.pop(placement)
        took.append(time.perf_counter() - began)
        assert node is not None
    print(f"{count:,} runnable, {SHARES} shares, {BUILDERS} lanes: taking out one: {quantiles(took)}")


async def whole_turns(count: int, slots: int) -> None:
    """Build as many that need nothing."""
    packages = PackageSet.random(count, 0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with open_store(folder / "db") as store:
            await packages.evaluated(store)
            watched = WatchedStore(store)
            builders = [InstantBuilder(f"instant-{number}", slots) for number in range(BUILDERS)]
            scheduler = Scheduler(
                store=cast("Store", watched),
                builders=builders,
                survey=packages.survey,
                clock=RealClock(),
                log=SilentLogger(),
                events=Broadcast(),
                logs_dir=folder / "logs",
                roots_dir=folder / "roots",
            )
            shares = [Share(f"pull request {number}") for number in range(SHARES)]
            wishes = [Wanted(drv, share=shares[at % SHARES]) for at, drv in enumerate(packages.records)]
            assert await scheduler.build(wishes) == ()
    each = [seconds / begun for seconds, begun in watched.turns]
    print(f"{len(each):,} turns, {sum(begun for _, begun in watched.turns) / len(each):.0f} builds each")
    print(f"  a turn by its builds: {quantiles(each)}")
    print(f"  a turn: {quantiles([seconds for seconds, _ in watched.turns])}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench scheduler decisions", description=__doc__)
    parser.add_argument("--runnable", type=int, default=200_000)
    parser.add_argument("--slots", type=int, default=16, help="of each of the builders")
    options = parser.parse_args()
    gc.set_threshold(*COLLECT_AFTER)
    queue_alone(options.runnable)
    anyio.run(partial(whole_turns, options.runnable, options.slots))


if __name__ == "__main__":
    main()

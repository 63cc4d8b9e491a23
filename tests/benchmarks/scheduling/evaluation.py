"""Measure storing an evaluation of many attributes, and planning all of it: ``script/bench scheduler evaluation``.

The evaluator has its answers at hand, and derivations are not read from files: what is measured is ours.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import gc
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from ekaci_core.api import EvaluationRequest
from ekaci_core.bus import Broadcast
from ekaci_core.cli.entry import COLLECT_AFTER
from ekaci_core.evaluation import Evaluations
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import EvaluatedAttribute, EvaluatedItem, EvaluationKey
from ekaci_core.model.event import ReviewEvent, ReviewSide
from ekaci_core.model.ids import AttrPath, DrvPath, TreeHash
from ekaci_core.scheduler import Scheduler, Wanted
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix
from ekaci_core.testing.package_sets import PackageSet

BATCH = 20
KnownAmong = Callable[[Collection[DrvPath]], Collection[DrvPath]]


class Prepared:
    """Yields an attribute for each derivation, in small batches as evaluators do."""

    identity = "prepared 1"

    def __init__(self, packages: PackageSet) -> None:
        self._packages = packages

    @asynccontextmanager
    async def evaluate(self, request: EvaluationRequest) -> AsyncIterator[AsyncIterator[Sequence[EvaluatedItem]]]:
        del request
        yield self._batches()

    async def _batches(self) -> AsyncIterator[Sequence[EvaluatedItem]]:
        records = iter(self._packages.records.values())
        while some := list(itertools.islice(records, BATCH)):
            yield [attribute(record) for record in some]
            await anyio.lowlevel.checkpoint()


def attribute(record: DerivationRecord) -> EvaluatedAttribute:
    meta = {
        "description": f"The package {record.name}",
        "homepage": f"https://example.org/{record.name}",
        "priority": 5,
    }
    outputs = {output.name: output.path for output in record.outputs}
    return EvaluatedAttribute(AttrPath(record.name), record.path, record.name, record.system, outputs, meta)


def reader(packages: PackageSet) -> Callable[[Collection[DrvPath], KnownAmong], list[DerivationRecord]]:
    """Read derivations and all they need, except what is known, from memory; inputs first."""
    place = {drv: at for at, drv in enumerate(packages.records)}

    def read(roots: Collection[DrvPath], known_among: KnownAmong) -> list[DerivationRecord]:
        found: set[DrvPath] = set()
        generation = set(roots)
        while generation:
            unknown = generation - set(known_among(generation))
            found |= unknown
            generation = {each for drv in unknown for each in packages.records[drv].inputs} - found
        return [packages.records[drv] for drv in sorted(found, key=place.__getitem__)]

    return read


async def request(gc_roots: Path) -> EvaluationRequest:
    return EvaluationRequest(root=gc_roots, file="", gc_roots=gc_roots)


async def insert(store: Store, packages: PackageSet, folder: Path) -> None:
    """Evaluate into the database, and print what it took."""
    events: Broadcast[ReviewEvent] = Broadcast()
    key = EvaluationKey(TreeHash("0" * 40), "packages", "", "", Prepared.identity, "", "")
    roots = folder / "evaluations"
    async with Evaluations(store, Prepared(packages), RealClock(), roots, events, read=reader(packages)) as service:
        began, cpu = time.perf_counter(), time.process_time()
        made = await service.evaluate(key, ReviewSide.HEAD, request)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    stored = len((await store.contents(made.record.id)).attributes)
    assert stored == len(packages.records)
    print(f"{stored:,} attributes stored in {took:.1f} s, {cpu:.1f} s of processor time")


async def measure(count: int, edges_each: int) -> None:
    """Print the figures."""
    packages = PackageSet.random(count, edges_each)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with open_store(folder / "db") as store:
            await insert(store, packages, folder)
            scheduler = Scheduler(
                store=store,
                builders=[ScriptedBuilder(ScriptedNix(), slots=0)],
                survey=packages.survey,
                clock=RealClock(),
                log=SilentLogger(),
                events=Broadcast(),
                logs_dir=folder / "logs",
                roots_dir=folder / "roots",
            )
            began, cpu = time.perf_counter(), time.process_time()
            async with scheduler.running() as run:
                await run.add([Wanted(drv) for drv in packages.records])
                took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{count:,} derivations planned in {took:.1f} s, {cpu:.1f} s of processor time")


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench scheduler evaluation", description=__doc__)
    parser.add_argument("--attributes", type=int, default=100_000)
    parser.add_argument("--edges-each", type=int, default=5)
    options = parser.parse_args()
    gc.set_threshold(*COLLECT_AFTER)
    anyio.run(partial(measure, options.attributes, options.edges_each))


if __name__ == "__main__":
    main()

"""Measure what storing and graphing a recorded evaluation costs, without the evaluator.

    python tests/benchmarks/ingest.py DIRECTORY BASE HEAD

DIRECTORY holds ``COMMIT.attrs.jsonl.gz`` and ``COMMIT.drvs.jsonl.gz``: what nix-eval-jobs printed, and the closure of
its derivations. Derivation files that are in the Nix store are read from there, as in a real run; an attribute
whose file is missing there is left out. With ``--recorded`` records are made from the recording, and a result is only
taken from the store a second time if all files are in the Nix store.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio

from ekaci_core.api import EvaluationRequest
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation import Evaluations
from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.evaluation import (
    AttributeFault,
    EvaluatedAttribute,
    EvaluatedItem,
    EvaluationKey,
    FaultKind,
    NullAttribute,
)
from ekaci_core.model.event import ReviewEvent, ReviewSide
from ekaci_core.model.ids import STORE_DIR, AttrPath, DrvPath, StorePath, System, TreeHash
from ekaci_core.nix.records import read_unknown
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import EvaluationId

BATCH = 20


class Recording:
    """An evaluator that repeats a recording, a small batch at a time."""

    identity = "recording"

    def __init__(self, file: Path, *, recorded: bool) -> None:
        self._file = file
        self._recorded = recorded

    @asynccontextmanager
    async def evaluate(self, request: EvaluationRequest) -> AsyncIterator[AsyncIterator[Sequence[EvaluatedItem]]]:
        del request
        yield self._batches()

    async def _batches(self) -> AsyncIterator[Sequence[EvaluatedItem]]:
        batch: list[EvaluatedItem] = []
        with gzip.open(self._file, "rt", encoding="utf-8") as lines:
            for line in lines:
                item = item_of(line)
                if self._recorded or is_there(item):
                    batch.append(item)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
                    await anyio.lowlevel.checkpoint()
        yield batch


class SystemClock:
    """The machine's own time."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


def is_there(item: EvaluatedItem) -> bool:
    return not isinstance(item, EvaluatedAttribute) or Path(item.drv).exists()


def item_of(line: str) -> EvaluatedItem:
    row = json.loads(line)
    attr = AttrPath.of(row["attrPath"]) if "attrPath" in row else None
    if "drvPath" in row and attr is not None:
        outputs = {name: StorePath(path) for name, path in row["outputs"].items()}
        system = System(row["system"])
        return EvaluatedAttribute(attr, DrvPath(row["drvPath"]), row["name"], system, outputs, row.get("meta"))
    if "error" in row or attr is None:
        return AttributeFault(attr, FaultKind.ERROR, row.get("error", ""))
    return NullAttribute(attr)


def recorded_reader(
    file: Path,
) -> Callable[[Collection[DrvPath], Callable[[Collection[DrvPath]], Collection[DrvPath]]], list[DerivationRecord]]:
    records = {}
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            path = DrvPath(f"{STORE_DIR}/{row['drv']}")
            records[path] = DerivationRecord(
                path,
                row["name"],
                System(row["system"]),
                tuple(DrvPath(f"{STORE_DIR}/{each}") for each in row["inputs"]),
                tuple(Output(name, None) for name in row["outputs"]),
                features=tuple(row["features"]),
                prefer_local=row["prefer_local"],
            )

    def read(
        roots: Collection[DrvPath], known_among: Callable[[Collection[DrvPath]], Collection[DrvPath]]
    ) -> list[DerivationRecord]:
        found: dict[DrvPath, DerivationRecord] = {}
        generation = set(roots)
        while generation:
            unknown = generation - set(known_among(generation))
            found.update((path, records[path]) for path in unknown)
            generation = {each for path in unknown for each in records[path].inputs} - found.keys()
        return inputs_first(found)

    return read


def inputs_first(records: dict[DrvPath, DerivationRecord]) -> list[DerivationRecord]:
    ordered: dict[DrvPath, DerivationRecord] = {}
    stack = [(path, False) for path in records]
    while stack:
        path, entered = stack.pop()
        if entered:
            ordered[path] = records[path]
        elif path not in ordered:
            stack.append((path, True))
            stack.extend((each, False) for each in records[path].inputs if each in records and each not in ordered)
    return list(ordered.values())


@contextmanager
def measured(what: str) -> Iterator[None]:
    cpu, wall = time.process_time(), time.monotonic()
    yield
    sys.stdout.write(f"{what:44} {time.process_time() - cpu:7.2f} s of CPU, {time.monotonic() - wall:7.2f} s elapsed\n")


async def measure(directory: Path, commits: Sequence[str], *, recorded: bool) -> None:
    events: Broadcast[ReviewEvent] = Broadcast()
    with tempfile.TemporaryDirectory() as scratch:
        database, roots = Path(scratch, "facts.db"), Path(scratch, "roots")
        async with open_store(database) as store:
            evaluations = []
            for commit in commits:
                recording = directory / f"{commit}.attrs.jsonl.gz"
                with measured(f"{commit}: decompressing and parsing alone"):
                    async for _ in Recording(recording, recorded=recorded)._batches():
                        pass
                read = recorded_reader(directory / f"{commit}.drvs.jsonl.gz") if recorded else read_unknown
                key = EvaluationKey(TreeHash("0" * 40), commit, "", "", "recording", "", "")
                evaluator = Recording(recording, recorded=recorded)
                async with Evaluations(store, evaluator, SystemClock(), roots, events, read=read) as service:
                    with measured(f"{commit}: evaluation with storing"):
                        made = await service.evaluate(key, ReviewSide.BASE, request)
                    with measured(f"{commit}: taken from the store"):
                        again = await service.evaluate(key, ReviewSide.BASE, request)
                sys.stdout.write(f"{commit}: cached the second time: {again.cached} {again.notes}\n")
                evaluations.append(made.record.id)
            await load(store, evaluations)
        size = (await anyio.Path(database).stat()).st_size
        sys.stdout.write(f"database: {size / 1e6:.1f} MB\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"largest resident size of this process: {peak:.0f} MiB\n")


async def load(store: Store, evaluations: Sequence[EvaluationId]) -> None:
    with measured("contents of all"):
        contents = [await store.contents(each) for each in evaluations]
    roots = {each.derivation for side in contents for each in side.attributes.values()}
    with measured("closure of all"):
        dag = await store.closure(roots)
    attributes = [len(side.attributes) for side in contents]
    sys.stdout.write(f"{len(dag)} derivations, {dag.edges} edges, {attributes} attributes\n")


async def request(gc_roots: Path) -> EvaluationRequest:
    return EvaluationRequest(root=gc_roots, file="", gc_roots=gc_roots)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("commits", nargs="+")
    parser.add_argument("--recorded", action="store_true", help="read no derivation files")
    options = parser.parse_args()
    anyio.run(lambda: measure(options.directory, options.commits, recorded=options.recorded))

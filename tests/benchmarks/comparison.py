"""Measure comparison, impact and report on recorded evaluations: ``python comparison.py DIRECTORY BASE HEAD``.

The directory holds ``COMMIT.attrs.jsonl.gz`` and ``COMMIT.drvs.jsonl.gz``: a line for each attribute as nix-eval-jobs
prints it, and one for each derivation of the closure. Prints CPU and wall seconds of each stage: for the two commits,
for head against nothing, where every derivation is new, and for that with every build known.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import gzip
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from ekaci_core.changes import JobContents, compare_jobs, measure_impact, outcomes_of, read_builds
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem, EvaluationKey, FaultKind
from ekaci_core.model.ids import AttrPath, CommitSha, DrvPath, StorePath, System, TreeHash
from ekaci_core.model.report import Report
from ekaci_core.model.repository import Revision
from ekaci_core.reporting import (
    Findings,
    collect_failures,
    judge,
    render_json,
    render_junit,
    render_markdown,
    render_text,
)
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import BuildChange, EvaluationId

_TIMES: dict[str, float] = {}


@contextmanager
def measured(stage: str) -> Iterator[None]:
    """Print the CPU and wall time of a stage."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    _TIMES[stage] = time.perf_counter() - wall
    print(f"  {stage:<28} {time.process_time() - cpu:6.2f} s CPU  {_TIMES[stage]:6.2f} s wall")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def records(path: Path) -> list[DerivationRecord]:
    """Read derivations, inputs before dependents."""
    by_path = {row["drv"]: row for row in rows(path)}
    ordered: dict[str, DerivationRecord] = {}
    for root in by_path:
        stack = [root]
        while stack:
            row = by_path[stack[-1]]
            missing = [each for each in row["inputs"] if each not in ordered]
            stack.extend(missing)
            if not missing:
                ordered.setdefault(row["drv"], record(row))
                stack.pop()
    return list(ordered.values())


def record(row: dict[str, Any]) -> DerivationRecord:
    """Make a derivation of a row."""
    return DerivationRecord(
        path=DrvPath.parse(row["drv"]),
        name=row["name"],
        system=System(row["system"]),
        inputs=tuple(DrvPath.parse(each) for each in row["inputs"]),
        outputs=tuple(Output(each, None) for each in row["outputs"]),
        features=tuple(row["features"]),
        prefer_local=row["prefer_local"],
    )


def items(path: Path) -> list[EvaluatedItem]:
    """Read attributes and errors."""
    found: list[EvaluatedItem] = []
    for row in rows(path):
        attr = AttrPath.of(row["attrPath"]) if "attrPath" in row else None
        if "error" in row:
            found.append(AttributeFault(attr, FaultKind.ERROR, row["error"]))
        elif "drvPath" in row and attr is not None:
            outputs = {name: StorePath(out) for name, out in row["outputs"].items()}
            drv = DrvPath(row["drvPath"])
            found.append(EvaluatedAttribute(attr, drv, row["name"], System(row["system"]), outputs, row.get("meta")))
    return found


async def stored(store: Store, directory: Path, commit: str) -> EvaluationId:
    """Put a recorded evaluation into the store."""
    key = EvaluationKey(TreeHash("0" * 40), "main", "ci.nix", "", "recorded", "source", commit)
    evaluation = await store.begin_evaluation(key, now=0.0, gc_roots="")
    derivations = records(directory / f"{commit}.drvs.jsonl.gz")
    await store.add_evaluated(evaluation, derivations, items(directory / f"{commit}.attrs.jsonl.gz"))
    await store.finish_evaluation(evaluation, now=1.0)
    return evaluation


async def review(store: Store, base: EvaluationId | None, head: EvaluationId) -> None:
    """Measure all that comes after the evaluation."""
    with measured("contents"):
        base_contents = await store.contents(base) if base else None
        jobs = [JobContents("main", base_contents, await store.contents(head))]
    with measured("comparison"):
        comparisons = await compare_jobs(store, jobs)
    with measured("impact"):
        impact = await measure_impact(store, jobs, comparisons, top=5)
    with measured("outcomes and verdict"):
        outcomes = outcomes_of(comparisons, await read_builds(store, comparisons))
        failures = await collect_failures(store, outcomes)
        verdict = judge(Findings(comparisons, outcomes, impact))
    revision = Revision(CommitSha("0" * 40), TreeHash("0" * 40), "recorded")
    report = Report("recorded", revision, revision, "recorded", comparisons, outcomes, impact, failures, verdict, {}, 0)
    for render in (render_text, render_markdown, render_json, render_junit):
        with measured(render.__name__):
            text = render(report)
        print(f"    {len(text):,} characters")
    print(f"  total                                         {sum(_TIMES.values()):6.2f} s wall, all four formats")
    print(f"  {impact.total:,} new derivations, {sum(impact.rebuilt_packages.values()):,} packages")
    for each in impact.top:
        print(f"    {each.dependents:>7,}  {each.name}  {', '.join(each.attrs[:3])}")
    _TIMES.clear()


async def main(directory: Path, base: str, head: str) -> None:
    """Measure head against base, against nothing, and against nothing with every build known."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(Path(folder) / "bench.sqlite") as store:
            before, after = await stored(store, directory, base), await stored(store, directory, head)
            print(f"{head} against {base}")
            await review(store, before, after)
            print(f"{head} against nothing")
            await review(store, None, after)
            drvs = await store.evaluated_derivations(after)
            await store.record_builds([BuildChange(Build(drv, BuildState.SUCCESS), 0.0, "bench") for drv in drvs])
            print(f"{head} against nothing, every build known")
            await review(store, None, after)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2], sys.argv[3])

"""Compare what an evaluator yields with a recording of nix-eval-jobs, and print every difference.

    python tests/benchmarks/compare_recording.py CHECKOUT RECORDING.jsonl.gz [--file F] [--workers N] [--evaluator E]

The recording has one JSON object a line: attr, attrPath, drvPath, name, system, outputs and meta, or error; a line
with nothing but the attribute is a null attribute. Exit status 1 if anything differs.
"""

# ruff: noqa: T201 - a command that a person types

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio

from ekaci_core.api import EvaluationRequest, EvaluatorType
from ekaci_core.builtin.evaluators import AutoType, NixEvalJobsType, NixType
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem, NullAttribute
from ekaci_core.model.ids import AttrPath
from ekaci_core.nix.environment import nix_environment
from ekaci_core.testing.builders import plugin_context

TYPES: Mapping[str, EvaluatorType] = {kind.name: kind for kind in (AutoType(), NixType(), NixEvalJobsType())}
SHOWN = 20


def read_recording(path: Path) -> tuple[dict[AttrPath, dict[str, Any]], int]:
    """Return the lines by attribute, and how many errors have lost theirs."""
    known: dict[AttrPath, dict[str, Any]] = {}
    lost = 0
    with gzip.open(path, "rt") as lines:
        for line in lines:
            said = json.loads(line)
            if "attr" in said:
                known[AttrPath.of(said["attrPath"])] = said
            else:
                lost += 1
    return known, lost


def differences(item: EvaluatedItem | None, said: Mapping[str, Any] | None) -> Iterator[str]:
    """Say in what an item is not as recorded. Texts of errors are not compared: they hold paths."""
    if said is None:
        if not isinstance(item, AttributeFault):  # those may be the lost ones, which the caller counts
            yield f"not in the recording: {type(item).__name__}"
    elif "error" in said:
        if not isinstance(item, AttributeFault):
            yield f"recorded as an error, is {type(item).__name__}: {said['error'][:100]!r}"
    elif "drvPath" not in said:
        if not isinstance(item, NullAttribute):
            yield f"recorded as null, is {type(item).__name__}"
    elif not isinstance(item, EvaluatedAttribute):
        yield f"recorded as a derivation, is {item}"
    else:
        for name, ours, theirs in (
            ("drvPath", item.drv, said["drvPath"]),
            ("name", item.name, said["name"]),
            ("system", item.system, said["system"]),
            ("outputs", dict(item.outputs), said["outputs"]),
            *_meta(item.meta or {}, said["meta"] or {}),
        ):
            if ours != theirs:
                yield f"{name}: {ours!r}, recorded {theirs!r}"


def _meta(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted(ours.keys() | theirs.keys()):
        yield f"meta.{key}", ours.get(key), theirs.get(key)


async def evaluate(options: argparse.Namespace) -> list[EvaluatedItem]:
    """Run the evaluator and print what it cost."""
    lines = ["build-users-group =", "sandbox = false"] if os.geteuid() == 0 else []
    context = plugin_context(nix_environment(os.environ, lines=["substituters =", *lines]))
    items: list[EvaluatedItem] = []
    with tempfile.TemporaryDirectory() as folder:
        request = EvaluationRequest(
            root=options.checkout.resolve(), file=options.file, gc_roots=Path(folder), workers=options.workers
        )
        began = time.monotonic()
        kind = TYPES[options.evaluator]
        async with kind.open(kind.config(), context) as evaluator, evaluator.evaluate(request) as batches:
            async for batch in batches:
                items.extend(batch)
        wall = time.monotonic() - began
    children, own = (resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    print(
        f"{evaluator.identity}, {options.workers} workers: {wall:.1f} s; CPU {children.ru_utime:.1f} s user and"
        f" {children.ru_stime:.1f} s system in Nix, {own.ru_utime + own.ru_stime:.1f} s in ours; largest process"
        f" {children.ru_maxrss // 1024} MiB, ours {own.ru_maxrss // 1024} MiB"
    )
    return items


def main() -> int:
    """Evaluate, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--file", default="maintainers/ci-jobs.nix")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--evaluator", choices=sorted(TYPES), default="auto")
    options = parser.parse_args()
    items = anyio.run(evaluate, options)
    known, lost = read_recording(options.recording)
    ours = {item.attr: item for item in items if item.attr is not None}
    found = [
        f"{attr}: {what}"
        for attr in sorted(ours.keys() | known.keys())
        for what in differences(ours.get(attr), known.get(attr))
    ]
    unnamed = [attr for attr, item in ours.items() if attr not in known and isinstance(item, AttributeFault)]
    if len(unnamed) != lost:
        found.append(f"{len(unnamed)} errors that the recording does not name, {lost} without a name in it")
    print(f"{len(items)} attributes, {len(found)} differences; {len(unnamed)} errors are named here and not there")
    for line in found[:SHOWN]:
        print(f"  {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

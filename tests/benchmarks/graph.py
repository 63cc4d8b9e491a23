"""Measure the graph algorithms on a recorded closure: ``python graph.py FILE [COPIES]``.

FILE is a ``COMMIT.drvs.jsonl.gz``: a line with ``drv`` and ``inputs`` for each derivation of a closure. COPIES repeats
the graph side by side, to see how the figures grow. Prints CPU seconds and the peak of memory after each step.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import gzip
import json
import resource
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ekaci_core.graph.dag import Dag, nodes_of
from ekaci_core.graph.impact import strict_dependents

T = TypeVar("T")
Rows = list[tuple[int, list[int]]]


def load(file: Path, copies: int) -> Rows:
    """Read the graph and number it from inputs to dependents, from 1."""
    with gzip.open(file, "rt") as lines:
        inputs = {entry["drv"]: entry["inputs"] for entry in map(json.loads, lines)}
    numbers: dict[str, int] = {}
    for root in inputs:
        stack = [root]
        while stack:
            waiting = [each for each in inputs[stack[-1]] if each not in numbers]
            if waiting:
                stack.extend(waiting)
            else:
                numbers.setdefault(stack.pop(), len(numbers) + 1)
    rows = [(numbers[drv], [numbers[each] for each in inputs[drv]]) for drv in numbers]
    size = len(rows)
    return [(key + copy * size, [each + copy * size for each in row]) for copy in range(copies) for key, row in rows]


def measured(name: str, step: Callable[[], T]) -> T:
    """Run a step and print what it took."""
    begin = time.process_time()
    result = step()
    seconds = time.process_time() - begin
    print(f"{name:44} {seconds:8.4f} s  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:7.0f} MiB")
    return result


def main() -> None:
    rows = load(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    packed = [(key, struct.pack(f"<{len(inputs)}I", *inputs)) for key, inputs in rows]
    dag = measured("graph from packed rows", lambda: Dag.of_packed(packed))
    print(f"{len(dag)} derivations, {dag.edges} edges")
    measured("inverse edges", lambda: dag.dependents(0))
    counts = measured("dependents of every derivation, exactly", lambda: strict_dependents(dag))
    measured("closure of all", lambda: dag.closure(range(len(dag))))
    some = min(range(len(dag)), key=lambda node: abs(counts[node] - 800))
    changed = list(nodes_of(dag.dependents_closure([some])))
    measured(f"dependents of {len(changed)} derivations", lambda: strict_dependents(dag, changed))


if __name__ == "__main__":
    main()

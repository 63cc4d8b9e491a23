"""Measure what scheduling costs, with a builder that takes no time.

    python tests/benchmarks/scheduler.py DERIVATIONS [EDGES_EACH] [SLOTS]

Builds a random graph into a database in a file, and prints builds a second, our processor time and our memory.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import anyio

from ekaci_core.api import BuildOutcome, BuildRequest, Built, InLocalStore
from ekaci_core.scheduler import Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builds import LINUX, ScriptedNix, scripted_scheduler


class InstantBuilder(InLocalStore):
    """Takes no time at all."""

    name = "instant"
    systems = frozenset({LINUX})
    features: frozenset[str] = frozenset()

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.built = 0

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Have it built."""
        del request
        self.built += 1
        return Built()


def random_graph(count: int, edges_each: int) -> ScriptedNix:
    """Make derivations that need some of the 1,000 before them."""
    dice = random.Random(1)  # noqa: S311 - the same graph each time
    nix = ScriptedNix()
    for number in range(count):
        inputs = {dice.randrange(max(0, number - 1000), number) for _ in range(edges_each)} if number else set()
        nix.derivation(f"n{number}", [f"n{each}" for each in sorted(inputs)])
    return nix


async def measure(count: int, edges_each: int, slots: int) -> None:
    """Print the figures."""
    nix = random_graph(count, edges_each)
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(Path(folder) / "db") as store:
            await nix.evaluated(store)
            builder = InstantBuilder(slots)
            needed = {each for record in nix.records.values() for each in record.inputs}
            wanted = [Wanted(record.path) for record in nix.records.values() if record.path not in needed]
            before, cpu = time.perf_counter(), time.process_time()
            async with scripted_scheduler(store, nix, [builder], Path(folder)).running() as run:
                await run.add(wanted)
                planned, planning = time.perf_counter() - before, time.process_time() - cpu
                await run.wait()
            took, cpu = time.perf_counter() - before, time.process_time() - cpu
    assert builder.built == count
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(
        f"{count} builds in {took:.1f} s ({planned:.1f} s of them planning): {count / took:,.0f}/s, "
        f"{cpu:.1f} s processor time ({planning:.1f} s of it planning; then {(cpu - planning) / count * 1e6:.0f} µs a "
        f"build), {memory} MiB\n"
    )


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    count, edges_each, slots = [*given, *(2000, 5, 16)[len(given) :]]
    anyio.run(measure, count, edges_each, slots)

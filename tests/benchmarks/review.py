"""Whole reviews against bare runs of the same evaluator, side by side.

    script/bench review REPOSITORY --base REF --head REF --file FILE [--workers N] [--memory MIB]

In each round both sides are evaluated bare, one after the other with all workers: nothing is stored, compared or
built. Then ``ekaci review --no-build`` runs with base known, with both known, and with nothing known. Figures are
seconds, the ratio to the two bare runs of the round, and the peak memory of our own process (evaluators are processes
of their own).
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import anyio
import attrs
import structlog

from ekaci_core.api import EvaluationRequest, PluginContext
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.git import checkout, open_repository
from ekaci_core.nix.environment import nix_environment
from ekaci_core.registry import Instances, load_registry
from ekaci_core.server.clock import SystemClock


async def bare(options: argparse.Namespace, ref: str) -> tuple[float, int]:
    """Evaluate one side and count what comes; return seconds and items."""
    log = structlog.get_logger()
    given = nix_environment(os.environ)
    context = PluginContext(clock=SystemClock(), log=log, environment=given, nix=NixCommands(given))
    repository = await open_repository(options.repository)
    with tempfile.TemporaryDirectory() as scratch:
        roots = Path(scratch) / "roots"
        roots.mkdir()
        async with (
            Instances(load_registry(os.environ, log), context) as instances,
            checkout(repository, await repository.resolve(ref), Path(scratch) / "checkouts") as root,
        ):
            evaluator = await instances.evaluator(options.evaluator)
            request = EvaluationRequest(
                root=root, file=options.file, gc_roots=roots, workers=options.workers, memory_mib=options.memory
            )
            began = time.monotonic()
            count = 0
            async with evaluator.evaluate(request) as batches:
                async for batch in batches:
                    count += len(batch)
            return time.monotonic() - began, count


def reviewed(options: argparse.Namespace, cache: Path, base: str, head: str) -> tuple[float, float]:
    """Review without building; return seconds and peak MiB of the process."""
    argv = [str(Path(sys.executable).parent / "ekaci"), "review", "--no-build", "--format", "json"]
    argv += ["--output", os.devnull, "--file", options.file, "--base", base, "--head", head]
    argv += ["--evaluator", options.evaluator, "--eval-workers", str(options.workers)]
    argv += ["--eval-memory", str(options.memory), str(options.repository)]
    began = time.monotonic()
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPYCACHEPREFIX": str(cache.with_name("bytecode"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode at hand
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, own_peak(process.pid))
        time.sleep(0.02)
    if process.returncode not in (0, 1, 4):
        raise SystemExit(f"the review ended with {process.returncode}: {' '.join(argv)}")
    return time.monotonic() - began, peak


def own_peak(pid: int) -> float:
    """Return the peak of the process itself in MiB; what the system counts at its end includes its children's."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


@attrs.frozen
class Round:
    """Seconds of one round: both bare runs, then each review; and the peak of the reviews' own process in MiB."""

    bare: float
    reviews: dict[str, float]
    peak: float


def measured(options: argparse.Namespace, warm: Path, cold: Path) -> Round:
    """Run everything once, one after the other, so that what else the machine does meets all alike.

    ``warm`` is a cache that knows base alone; it is so again afterwards.
    """
    kept = warm.with_name("kept")
    shutil.copytree(warm, kept, symlinks=True)
    both = 0.0
    for ref in (options.base, options.head):
        seconds, items = anyio.run(partial(bare, options, ref))
        print(f"bare {ref:15} {seconds:6.2f} s   {items} items")
        both += seconds
    reviews, peak = {}, 0.0
    for name, cache in (("base known", warm), ("both known", warm), ("nothing known", cold)):
        seconds, own = reviewed(options, cache, options.base, options.head)
        print(f"{name:20} {seconds:6.2f} s   {seconds / both:.3f} of both bare runs   {own:.0f} MiB", flush=True)
        reviews[name] = seconds
        peak = max(peak, own)
    for folder in (warm, cold):
        shutil.rmtree(folder)
    kept.rename(warm)
    return Round(both, reviews, peak)


def main() -> None:
    parser = argparse.ArgumentParser(prog="script/bench review", description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--base", required=True)
    parser.add_argument("--head", required=True)
    parser.add_argument("--file", default="default.nix")
    parser.add_argument("--evaluator", default="nix")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    anyio.run(partial(bare, options, options.base))  # so that every derivation is in the store for all that follows
    anyio.run(partial(bare, options, options.head))
    with tempfile.TemporaryDirectory() as folder:
        warm, cold = Path(folder) / "warm", Path(folder) / "cold"
        reviewed(options, warm, options.base, options.base)
        rounds = [measured(options, warm, cold) for _ in range(options.rounds)]
    for name in rounds[0].reviews:
        ratios = sorted(each.reviews[name] / each.bare for each in rounds)
        seconds = statistics.median(each.reviews[name] for each in rounds)
        print(
            f"{name}: median {statistics.median(ratios):.3f} of both bare runs"
            f" ({ratios[0]:.3f} to {ratios[-1]:.3f}), {seconds:.1f} s"
        )
    print(f"own memory: at most {max(each.peak for each in rounds):.0f} MiB")


if __name__ == "__main__":
    main()

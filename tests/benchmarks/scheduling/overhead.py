"""Measure what building one trivial derivation through us takes: ``script/bench scheduler overhead``.

The same number of new derivations, that do nothing but write their output, is built by one ``nix-store --realise`` of
all at once and by the scheduler with a builder, with and without the Nix daemon, in turns. Needs root, to run a daemon
of its own. All of it is real: Nix, its store, gc roots, logs, and the database in a file.
"""

# ruff: noqa: T201 - a benchmark prints its figures

from __future__ import annotations

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from pathlib import Path

import anyio
import attrs

from ekaci_builder_daemon.kind import DaemonBuilderConfig, DaemonBuilderType
from ekaci_core.api import Builder
from ekaci_core.builtin.local_builder import LocalBuilderConfig, LocalBuilderType
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.ids import DrvPath, TreeHash
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.records import read_closure
from ekaci_core.process import run
from ekaci_core.scheduler import Scheduler, Wanted
from ekaci_core.store import open_store
from ekaci_core.testing.builders import RealClock, SilentLogger, plugin_context

EXPRESSION = """
builtins.genList (number: derivation {
  name = "trivial-${toString number}";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" ": MARK; echo > $out" ];
}) COUNT
"""


@attrs.frozen
class Bench:
    """Where it is measured: Nix's environment, a daemon's socket, and how many builds at once."""

    environment: Mapping[str, str]
    socket: Path
    slots: int
    folder: Path

    @property
    def through_daemon(self) -> dict[str, str]:
        """The environment of a program that has nothing but the daemon."""
        return {**self.environment, "NIX_REMOTE": "daemon", "NIX_DAEMON_SOCKET_PATH": str(self.socket)}

    async def instantiate(self, count: int) -> list[DrvPath]:
        """Make derivations that nobody has built before."""
        expression = EXPRESSION.replace("MARK", uuid.uuid4().hex).replace("COUNT", str(count))
        done = await run(["nix-instantiate", "--expr", expression], env=self.environment)
        assert done.status == 0, done.stderr
        return [DrvPath.parse(line) for line in done.text.split()]


@contextmanager
def daemon(socket: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a Nix daemon at a socket."""
    own = {**environment, "NIX_DAEMON_SOCKET_PATH": str(socket)}
    process = subprocess.Popen(["nix-daemon"], env=own, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        while not socket.exists():
            time.sleep(0.02)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


async def at_once(drvs: Sequence[DrvPath], bench: Bench, environment: Mapping[str, str]) -> float:
    """Return the seconds that one ``nix-store --realise`` takes."""
    command = ["nix-store", "--realise", *drvs, "--option", "max-jobs", str(bench.slots), "--no-gc-warning"]
    began = time.perf_counter()
    done = await run(command, env=environment)
    took = time.perf_counter() - began
    assert done.status == 0, done.stderr
    return took


async def scheduled(
    drvs: Sequence[DrvPath], bench: Bench, opening: Callable[[], AbstractAsyncContextManager[Builder]]
) -> float:
    """Return the seconds that the scheduler takes with a builder that is open already."""
    records: list[DerivationRecord] = read_closure(list(drvs), lambda _: False)
    with tempfile.TemporaryDirectory(dir=bench.folder) as name:
        folder = Path(name)
        async with open_store(folder / "db") as store, opening() as builder:
            evaluation = await store.begin_evaluation(
                EvaluationKey(TreeHash("0" * 40), "job", "", "", "nix", "source", ""), now=0, gc_roots=""
            )
            await store.add_evaluated(evaluation, records, [])
            scheduler = Scheduler(
                store=store,
                builders=[builder],
                survey=partial(build_plan, environment=bench.environment),
                clock=RealClock(),
                log=SilentLogger(),
                events=Broadcast(),
                logs_dir=folder / "logs",
                roots_dir=folder / "roots",
            )
            async with scheduler.running() as going:
                began = time.perf_counter()
                await going.add([Wanted(drv) for drv in drvs])
                await going.wait()
                took = time.perf_counter() - began
            states = await store.builds(drvs)
    assert {build.state for build in states.values()} == {BuildState.SUCCESS}
    return took


def ways(bench: Bench) -> dict[str, Callable[[Sequence[DrvPath]], Awaitable[float]]]:
    """Name what is compared."""

    def local(environment: Mapping[str, str]) -> AbstractAsyncContextManager[Builder]:
        return LocalBuilderType().open(LocalBuilderConfig(slots=bench.slots), plugin_context(environment))

    def native() -> AbstractAsyncContextManager[Builder]:
        config = DaemonBuilderConfig(socket=str(bench.socket), max_jobs=bench.slots)
        return DaemonBuilderType().open(config, plugin_context(bench.environment))

    return {
        "nix-store --realise, all at once": partial(at_once, bench=bench, environment=bench.environment),
        "the same through the daemon": partial(at_once, bench=bench, environment=bench.through_daemon),
        "through us, builder local": partial(scheduled, bench=bench, opening=partial(local, bench.environment)),
        "through us, local with the daemon": partial(
            scheduled, bench=bench, opening=partial(local, bench.through_daemon)
        ),
        "through us, builder daemon": partial(scheduled, bench=bench, opening=native),
    }


async def measure(bench: Bench, count: int, rounds: int) -> None:
    """Print the figures."""
    seconds: dict[str, list[float]] = {name: [] for name in ways(bench)}
    ours: dict[str, list[float]] = {name: [] for name in seconds}
    for number in range(rounds + 1):  # the first one warms up
        for name, build in ways(bench).items():
            drvs = await bench.instantiate(count)
            before = resource.getrusage(resource.RUSAGE_SELF)
            took = await build(drvs)
            after = resource.getrusage(resource.RUSAGE_SELF)
            if number:
                seconds[name].append(took)
                ours[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            await run(["nix-store", "--delete", *drvs], env=bench.environment, timeout_seconds=600)
    print(f"{count} trivial derivations, {bench.slots} at once, medians of {rounds} rounds")
    least = statistics.median(seconds["nix-store --realise, all at once"])
    for name, all_took in seconds.items():
        took = statistics.median(all_took)
        cpu = statistics.median(ours[name])
        print(
            f"  {name:36} {took:6.2f} s  {took / count * 1e3:6.1f} ms each, {took / least:5.2f} of the first; "
            f"{cpu / count * 1e3:4.1f} ms each of this process ({min(all_took):.2f} to {max(all_took):.2f} s)"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/bench scheduler overhead", description=__doc__)
    parser.add_argument("--derivations", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.stderr.write("needs root, to run a daemon of its own\n")
        return 2
    environment = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="ekaci-") as name:
        folder = Path(name)
        with daemon(folder / "socket", environment):
            bench = Bench(environment, folder / "socket", options.slots, folder)
            anyio.run(measure, bench, options.derivations, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())

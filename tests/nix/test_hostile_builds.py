"""Builds that print what is meant to harm whoever reads it, beside one that does not."""

from __future__ import annotations

import tracemalloc
import uuid
from collections.abc import AsyncIterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.builtin.local_builder import LocalBuilder, LocalBuilderConfig, LocalBuilderType
from ekaci_core.bus import Broadcast
from ekaci_core.logs import chunks, lines_in, open_log, shown
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.event import ReviewEvent
from ekaci_core.model.ids import DrvPath, TreeHash
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.records import read_closure
from ekaci_core.process import run
from ekaci_core.scheduler import Scheduler, SchedulerSettings, Wanted
from ekaci_core.scheduler.attempt import log_path
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builders import RealClock, SilentLogger, plugin_context

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

S = BuildState
MEBIBYTE = 1024 * 1024
LOG_BYTES = 4 * MEBIBYTE
SETTINGS = SchedulerSettings(max_duration_seconds=90)

# MARK makes the derivations new to the store.
EXPRESSION = r"""
let
  make = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" ": MARK; ${script}" ];
    part = builtins.concatStringsSep "" (builtins.genList (_: "0123456789") 10000);
    bomb = builtins.fromJSON ''"\u001b[2J\u001b[999;999H\u001b]0;title\u0007\u001b[\u009b"'';
  };
in {
  line = make "line" "i=0; while [ $i != 1000 ]; do printf %s $part; i=$((i+1)); done; echo; echo after; echo > $out";
  bombs = make "bombs" "i=0; while [ $i != 2000 ]; do echo $bomb$bomb$bomb; i=$((i+1)); done; echo after; exit 3";
  endless = make "endless" "while :; do echo $part; done";
  fine = make "fine" "echo fine; echo > $out";
}
"""


@attrs.frozen
class Bench:
    store: Store
    builder: LocalBuilder
    folder: Path
    environment: Mapping[str, str]
    paths: Mapping[str, DrvPath]

    async def build(self, *names: str, settings: SchedulerSettings = SETTINGS) -> tuple[str, ...]:
        events: Broadcast[ReviewEvent] = Broadcast()
        scheduler = Scheduler(
            store=self.store,
            builders=[self.builder],
            survey=partial(build_plan, environment=self.environment),
            clock=RealClock(),
            log=SilentLogger(),
            events=events,
            logs_dir=self.folder / "logs",
            roots_dir=self.folder / "roots",
            settings=settings,
        )
        return await scheduler.build([Wanted(self.paths[name]) for name in names])

    async def state(self, name: str) -> Build:
        return (await self.store.builds([self.paths[name]]))[self.paths[name]]

    def shown(self, name: str) -> list[str]:
        with open_log(self.log(name)) as log:
            return [shown(line) for line in chain.from_iterable(lines_in(chunks(log)))]

    def log(self, name: str) -> Path:
        return log_path(self.folder / "logs", self.paths[name])

    def log_bytes(self, name: str) -> int:
        return sum(part.stat().st_size for part in self.log(name).parent.iterdir())


@pytest.fixture
async def bench(nix_environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Bench]:
    (tmp_path / "set.nix").write_text(EXPRESSION.replace("MARK", uuid.uuid4().hex))
    done = await run(["nix-instantiate", str(tmp_path / "set.nix")], env=nix_environment)
    assert done.status == 0, done.stderr
    records = read_closure(map(DrvPath.parse, done.text.split()), lambda _: False)
    config = LocalBuilderConfig(slots=2, log_bytes=LOG_BYTES)
    async with (
        open_store(tmp_path / "db") as store,
        LocalBuilderType().open(config, plugin_context(nix_environment)) as builder,
    ):
        key = EvaluationKey(TreeHash("0" * 40), "job", "set.nix", "", "nix", "source", "")
        evaluation = await store.begin_evaluation(key, now=0, gc_roots="")
        await store.add_evaluated(evaluation, records, [])
        await store.finish_evaluation(evaluation, now=0)
        paths = {record.name: record.path for record in records}
        yield Bench(store, builder, tmp_path, nix_environment, paths)


async def test_a_line_of_100_mb_takes_little_memory_and_the_next_line_is_there(bench: Bench) -> None:
    tracemalloc.start()
    try:
        assert await bench.build("line", "fine") == ()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MEBIBYTE
    assert [(await bench.state(name)).state for name in ("line", "fine")] == [S.SUCCESS, S.SUCCESS]
    first, *_, last = bench.shown("line")
    assert first.startswith("0123456789")
    assert last == "after"
    assert bench.log_bytes("line") <= LOG_BYTES


async def test_bombs_end_as_the_build_ended_and_nothing_of_them_is_shown(bench: Bench) -> None:
    assert await bench.build("bombs", "fine") == ()
    assert [(await bench.state(name)).state for name in ("bombs", "fine")] == [S.FAILURE, S.SUCCESS]
    assert len(bench.shown("bombs")) > 1
    assert not any(mark in line for line in bench.shown("bombs") for mark in "\x1b\x07\x9b")


async def test_a_log_that_never_ends_ends_its_build_alone(bench: Bench) -> None:
    settings = attrs.evolve(SETTINGS, max_duration_seconds=4)
    with anyio.fail_after(60):
        assert await bench.build("endless", "fine", settings=settings) == ()
    assert [(await bench.state(name)).state for name in ("endless", "fine")] == [S.TIMEOUT, S.SUCCESS]
    assert bench.log_bytes("endless") <= LOG_BYTES
    assert bench.shown("endless")[-1] == "[stopped: not finished after 4 seconds]"

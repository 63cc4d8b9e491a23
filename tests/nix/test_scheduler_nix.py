"""The scheduler with Nix's own plan and the local builder."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.builtin.local_builder import LocalBuilder, LocalBuilderConfig, LocalBuilderType
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.ids import DrvPath, TreeHash
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.records import read_closure
from ekaci_core.process import run
from ekaci_core.scheduler import Scheduler, Wanted, gc_root, log_path
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builders import RealClock, SilentLogger, plugin_context

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

# MARK makes the derivations new to the store.
EXPRESSION = """
let
  make = name: script: more: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" ": MARK; ${script}" ];
  } // more);
  lib = make "lib" "echo making lib; echo lib > $out" { };
  bad = make "bad" "echo not good >&2; exit 7" { };
in {
  inherit lib bad;
  app = make "app" "read line < ${lib}; echo app of $line > $out; echo doc > $doc" { outputs = [ "out" "doc" ]; };
  top = make "top" "echo ${lib} ${bad} > $out" { };
  wrong = make "wrong" "echo something > $out" {
    outputHashMode = "flat";
    outputHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  };
  foreign = make "foreign" "echo > $out" { system = "mips64el-netbsd"; };
  endless = make "endless" "echo begun; while :; do :; done" { };
}
"""


@attrs.frozen
class Bench:
    store: Store
    scheduler: Scheduler
    environment: dict[str, str]
    records: dict[str, DerivationRecord]
    mark: str

    def drv(self, name: str) -> DrvPath:
        return self.records[name].path

    def wanted(self, *names: str) -> list[Wanted]:
        return [Wanted(self.drv(name)) for name in names]

    async def states(self, *names: str) -> list[BuildState]:
        builds = await self.store.builds([self.drv(name) for name in names])
        return [builds[self.drv(name)].state for name in names]

    def out(self, name: str) -> Path:
        """The path of the output ``out``."""
        return Path(next(output.path or "" for output in self.records[name].outputs if output.name == "out"))

    def processes(self) -> list[str]:
        """Command lines that build one of these derivations."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it ended meanwhile
                found.append(file.read_bytes().decode(errors="replace"))
        return [line for line in found if self.mark in line]

    async def attempts(self) -> dict[str, int]:
        """The numbers of the newest attempts: they change when something is built."""
        found = await self.store.last_attempts([record.path for record in self.records.values()])
        return {drv.name: int(attempt.id) for drv, attempt in found.items()}


def target_of(line: str) -> DrvPath:
    """The derivation that a root printed by nix-instantiate points at."""
    return DrvPath.parse(str(Path(line.partition("!")[0]).readlink()))


@pytest.fixture
async def bench(nix_environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Bench]:
    mark = uuid.uuid4().hex
    (tmp_path / "set.nix").write_text(EXPRESSION.replace("MARK", mark))
    argv = ["nix-instantiate", str(tmp_path / "set.nix"), "--add-root", str(tmp_path / "drvs" / "drv"), "--indirect"]
    done = await run(argv, env=nix_environment)
    assert done.status == 0, done.stderr
    records = read_closure([target_of(line) for line in done.text.split()], lambda _: False)
    async with (
        open_store(tmp_path / "db") as store,
        LocalBuilderType().open(LocalBuilderConfig(slots=2), plugin_context(nix_environment)) as builder,
    ):
        key = EvaluationKey(TreeHash("0" * 40), "job", "set.nix", "", "nix", "source", "")
        evaluation = await store.begin_evaluation(key, now=0, gc_roots="")
        await store.add_evaluated(evaluation, records, [])
        await store.finish_evaluation(evaluation, now=0)
        scheduler = scheduler_of(store, builder, nix_environment, tmp_path)
        yield Bench(store, scheduler, nix_environment, {record.name: record for record in records}, mark)


def scheduler_of(store: Store, builder: LocalBuilder, environment: dict[str, str], folder: Path) -> Scheduler:
    return Scheduler(
        store=store,
        builders=[builder],
        survey=partial(build_plan, environment=environment),
        clock=RealClock(),
        log=SilentLogger(),
        events=Broadcast(),
        logs_dir=folder / "logs",
        roots_dir=folder / "roots",
    )


async def test_builds_fail_and_depend_as_they_should(bench: Bench) -> None:
    names = ("app", "top", "bad", "wrong", "foreign")
    expected = [
        BuildState.SUCCESS,
        BuildState.TRANSITIVE_FAILURE,
        BuildState.FAILURE,
        BuildState.FAILURE,
        BuildState.UNSATISFIABLE,
    ]
    assert await bench.scheduler.build(bench.wanted(*names)) == ()
    assert await bench.states(*names) == expected
    builds = await bench.store.builds([bench.drv("bad"), bench.drv("wrong")])
    assert {drv.name: build.failures for drv, build in builds.items()} == {"bad": 2, "wrong": 1}
    log = log_path(bench.scheduler.logs_dir, bench.drv("bad"))
    assert "not good" in log.read_text()
    attempts = await bench.store.last_attempts([bench.drv("bad")])
    assert "7" in attempts[bench.drv("bad")].reason

    before = await bench.attempts()
    await bench.scheduler.build(bench.wanted(*names))
    assert await bench.attempts() == before, "a second run builds nothing"
    assert await bench.states(*names) == expected


async def test_outputs_have_roots_and_are_rebuilt_when_they_are_gone(bench: Bench) -> None:
    await bench.scheduler.build(bench.wanted("app"))
    root = gc_root(bench.scheduler.roots_dir, bench.drv("app"))
    outputs = [output.path for output in bench.records["app"].outputs]
    assert sorted(str(link.readlink()) for link in root.parent.glob(root.name + "*")) == sorted(map(str, outputs))
    assert bench.out("app").read_text() == "app of lib\n"
    kept = await run(["nix-store", "--delete", *map(str, outputs)], env=bench.environment)
    assert kept.status != 0, "the roots keep them"

    for link in root.parent.glob(root.name + "*"):
        link.unlink()
    deleted = await run(["nix-store", "--delete", *map(str, outputs)], env=bench.environment)
    assert deleted.status == 0, deleted.stderr
    before = await bench.attempts()
    await bench.scheduler.build(bench.wanted("app"))
    after = await bench.attempts()
    assert {name for name in after if after[name] != before.get(name)} == {"app"}
    assert bench.out("app").read_text() == "app of lib\n"


async def test_what_others_built_is_a_success_without_an_attempt(bench: Bench) -> None:
    done = await run(["nix-store", "--realise", bench.drv("lib")], env=bench.environment)
    assert done.status == 0, done.stderr
    await bench.scheduler.build(bench.wanted("lib", "app"))
    assert await bench.states("lib", "app") == [BuildState.SUCCESS] * 2
    assert list(await bench.attempts()) == ["app"]


async def test_cancellation_stops_the_builder_and_the_next_run_starts_again(bench: Bench) -> None:
    log = log_path(bench.scheduler.logs_dir, bench.drv("endless"))
    async with bench.scheduler.running() as running:
        await running.add(bench.wanted("endless"))
        with anyio.fail_after(60):
            while not (log.exists() and "begun" in log.read_text()):  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.05)
        assert bench.processes()
    assert await bench.states("endless") == [BuildState.CANCELLED]
    assert bench.processes() == []

"""The contract of a builder, as tests.

Inherit it, and give it an open builder and the environment in which ``nix-instantiate`` writes to the builder's store::

    class TestMine(BuilderConformance):
        @pytest.fixture
        async def builder(self, nix_environment):
            async with MyType().open(MyConfig(), context_with(nix_environment)) as builder:
                yield builder

        @pytest.fixture
        def store_environment(self, nix_environment):
            return nix_environment

The derivations that it builds need nothing but ``/bin/sh``.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import attrs
import pytest

from ekaci_core.api import (
    Builder,
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    BuildState,
    Built,
    DerivationRecord,
    DrvPath,
    Output,
    PluginContext,
)
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.builtin.programs import ProgramCommands
from ekaci_core.nix.records import read_record
from ekaci_core.process.running import run

_PATIENCE_SECONDS: Final = 30
_WRONG_HASH: Final = "sha256-" + "A" * 43 + "="
_SHORT_SECONDS: Final = 3  # a builder elsewhere on a busy machine takes more than one to begin
_STOPPED_SECONDS: Final = 15  # not a measure of speed: a build that is stuck takes twice as long, or for ever
_BUSY: Final = "while :; do :; done"  # a sandboxed shell has no sleep
_LONG_LINE: Final = f"x=aaaaaaaa; for i in {' '.join(map(str, range(19)))}; do x=$x$x; done; echo $x"  # 4 MiB
_FORGED: Final = '@nix {"action":"msg","level":0,"msg":"error: writing to file: No space left on device"}'


class RealClock:
    """The machine's clock, for a `PluginContext` in tests."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()


class SilentLogger:
    """A logger that says nothing, for a `PluginContext` in tests."""

    def debug(self, event: str, /, **fields: object) -> None:
        """Drop it."""

    def info(self, event: str, /, **fields: object) -> None:
        """Drop it."""

    def warning(self, event: str, /, **fields: object) -> None:
        """Drop it."""


def plugin_context(environment: Mapping[str, str]) -> PluginContext:
    """Return a context with the real time and no log, whose programs run."""
    nix = NixCommands(environment)
    return PluginContext(
        clock=RealClock(), log=SilentLogger(), environment=environment, nix=nix, programs=ProgramCommands()
    )


@attrs.frozen
class Sample:
    """A derivation to build, and a text that stands in the command line of its builder and nowhere else."""

    record: DerivationRecord
    mark: str

    @property
    def output(self) -> Output:
        """The output named ``out``."""
        return next(output for output in self.record.outputs if output.name == "out")


class Workshop:
    """Makes derivations, and looks at store and processes behind the builder's back."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self.log = folder / "build.log"
        self.gc_root = folder / "roots" / "result"

    async def derivation(self, script: str, **attributes: object) -> Sample:
        """Instantiate a derivation that nobody has built before, and which runs ``script``."""
        return await self._instantiate(script, attributes, "{ }")

    async def dependent(self, needed: Sample, script: str, **attributes: object) -> Sample:
        """Do as `derivation`; ``$input`` is the output of another sample."""
        return await self._instantiate(script, attributes, f"{{ input = (import {needed.record.path}).out; }}")

    async def _instantiate(self, script: str, attributes: Mapping[str, object], more: str) -> Sample:
        mark = uuid.uuid4().hex
        given: dict[str, object] = {"name": f"sample-{mark[:8]}", "builder": "/bin/sh", **attributes}
        given["args"] = ["-c", f": {mark}; {script}"]
        file = self._folder / f"{mark}.json"
        file.write_text(json.dumps(given))
        read = f"builtins.fromJSON (builtins.readFile {file})"
        expression = f"derivation ({{ system = builtins.currentSystem; }} // {read} // {more})"
        done = await run(["nix-instantiate", "--expr", expression], env=self._environment)
        assert done.status == 0, done.stderr
        path = done.text.split()[0].partition("!")[0]
        return Sample(read_record(DrvPath.parse(path)), mark)

    async def is_valid(self, path: str | None) -> bool:
        """Whether the store has the path."""
        assert path is not None
        return (await run(["nix-store", "--check-validity", path], env=self._environment)).status == 0

    async def delete(self, path: str) -> None:
        """Remove a path from the store, as the garbage collector does."""
        done = await run(["nix-store", "--delete", path], env=self._environment)
        assert done.status == 0, done.stderr

    def processes(self, mark: str) -> list[int]:
        """Return the processes whose command line has the text."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if mark.encode() in file.read_bytes():
                    found.append(int(file.parent.name))
            except OSError:
                continue  # it went away while we looked
        return found

    async def until_started(self, mark: str) -> None:
        """Wait until the builder of a sample runs."""
        with anyio.fail_after(_PATIENCE_SECONDS):
            while not self.processes(mark):  # noqa: ASYNC110 - another program's doing sets no event
                await anyio.sleep(0.05)

    async def until_gone(self, mark: str) -> None:
        """Wait until no process of a sample runs."""
        with anyio.fail_after(_PATIENCE_SECONDS):
            while self.processes(mark):  # noqa: ASYNC110 - as above
                await anyio.sleep(0.05)

    def request(self, sample: Sample, **changes: Any) -> BuildRequest:
        """Return an attempt with the workshop's log, and changes of single fields."""
        return attrs.evolve(BuildRequest(derivation=sample.record, log=self.log), **changes)

    def log_text(self) -> str:
        """Return the log that the last attempt wrote."""
        return self.log.read_text(errors="replace")


async def attempt(builder: Builder, request: BuildRequest) -> BuildOutcome:
    """Bring to the builder what it needs and build, as the scheduler does."""
    return await builder.prepare(request) or await builder.build(request)


def _fault_of_machine(outcome: BuildOutcome) -> bool:
    return isinstance(outcome, BuildInterrupted) and outcome.infrastructure and bool(outcome.reason)


@pytest.mark.anyio
class BuilderConformance:
    """What every builder does. Inherit it and override the two fixtures."""

    @pytest.fixture
    async def builder(self) -> Builder:
        """Return the open builder."""
        raise NotImplementedError

    @pytest.fixture
    def store_environment(self) -> Mapping[str, str]:
        """Return the environment of commands that look into the builder's store."""
        raise NotImplementedError

    @pytest.fixture
    def workshop(self, store_environment: Mapping[str, str], tmp_path: Path) -> Workshop:
        """Return what makes the samples."""
        return Workshop(store_environment, tmp_path)

    async def test_says_what_it_is(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("exit 0")
        assert builder.name
        assert builder.slots >= 1
        assert sample.record.system in builder.systems

    async def test_success_makes_the_output_valid(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo to-stdout; echo to-stderr >&2; echo made > $out")
        assert await attempt(builder, workshop.request(sample)) == Built()
        assert await workshop.is_valid(sample.output.path)
        assert workshop.log_text().splitlines() == ["to-stdout", "to-stderr"]

    async def test_failure_tells_the_exit_code(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo the cause; exit 3")
        outcome = await attempt(builder, workshop.request(sample))
        assert isinstance(outcome, BuildFailed)
        assert (outcome.exit_status, outcome.final) == (3, False)
        assert "exit code 3" in outcome.reason
        assert "the cause" in workshop.log_text()
        assert not await workshop.is_valid(sample.output.path)

    async def test_a_builder_that_does_not_exist_is_a_failure(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("exit 0", builder="/no/such/builder")
        assert isinstance(await attempt(builder, workshop.request(sample)), BuildFailed)

    async def test_a_missing_output_is_a_failure(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("exit 0")
        assert isinstance(await attempt(builder, workshop.request(sample)), BuildFailed)

    async def test_every_line_reaches_the_log(self, builder: Builder, workshop: Workshop) -> None:
        script = r"printf 'bad \377 byte\n\033[31mred\033[0m\n@nix garbage\n\nlast without newline'; echo > $out"
        sample = await workshop.derivation(script)
        assert await attempt(builder, workshop.request(sample)) == Built()
        lines = workshop.log_text().splitlines()
        assert "bad � byte" in lines
        assert "\x1b[31mred\x1b[0m" in lines
        assert "@nix garbage" in lines
        assert lines[-1] == "last without newline"

    async def test_a_very_long_line_is_cut_and_loses_nothing_else(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation(f"echo before; {_LONG_LINE}; echo after; echo > $out")
        assert await attempt(builder, workshop.request(sample)) == Built()
        lines = workshop.log_text().splitlines()
        assert (lines[0], lines[-1]) == ("before", "after")
        assert any(line.startswith("aaaaaaaa") for line in lines)
        assert workshop.log.stat().st_size < 4 * 1024 * 1024

    async def test_a_very_long_line_does_not_hide_the_cause(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation(f"echo No space left on device; {_LONG_LINE}; exit 3")
        outcome = await attempt(builder, workshop.request(sample))
        assert isinstance(outcome, BuildFailed)
        assert outcome.exit_status == 3

    async def test_phases_are_told_in_order(self, builder: Builder, workshop: Workshop) -> None:
        phases: list[str] = []
        told = [f'echo \'@nix {{"action":"setPhase","phase":"{phase}"}}\' >&2' for phase in ("unpack", "build")]
        sample = await workshop.derivation("; ".join([*told, "echo > $out"]))
        assert await attempt(builder, workshop.request(sample, on_phase=phases.append)) == Built()
        assert phases == ["unpack", "build"]

    async def test_outputs_get_gc_roots(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo > $out; echo > $dev", outputs=["out", "dev"])
        assert await attempt(builder, workshop.request(sample, gc_root=workshop.gc_root)) == Built()
        paths = {output.name: output.path for output in sample.record.outputs}
        assert str(workshop.gc_root.readlink()) == paths["out"]
        assert str(workshop.gc_root.with_name("result-dev").readlink()) == paths["dev"]

    async def test_silence_ends_the_attempt(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation(f"echo begun; {_BUSY}")
        outcome = await attempt(builder, workshop.request(sample, no_output_timeout_seconds=_SHORT_SECONDS))
        assert isinstance(outcome, BuildInterrupted)
        assert (outcome.kind, outcome.infrastructure) == (BuildState.TIMEOUT, False)
        assert "begun" in workshop.log_text()
        await workshop.until_gone(sample.mark)

    async def test_a_talkative_build_ends_in_time_too(self, builder: Builder, workshop: Workshop) -> None:
        talk = "i=0; while :; do i=$((i+1)); [ $((i % 10000)) = 0 ] && echo tick; done"
        sample = await workshop.derivation(talk)
        outcome = await attempt(builder, workshop.request(sample, max_duration_seconds=_SHORT_SECONDS))
        assert isinstance(outcome, BuildInterrupted)
        assert outcome.kind is BuildState.TIMEOUT
        await workshop.until_gone(sample.mark)

    async def test_cancellation_leaves_no_process(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation(f"({_BUSY}) & {_BUSY}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt, builder, workshop.request(sample))
            await workshop.until_started(sample.mark)
            tasks.cancel_scope.cancel()
        await workshop.until_gone(sample.mark)
        assert not await workshop.is_valid(sample.output.path)

    async def test_cancellation_ends_one_that_writes_without_end(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("while :; do echo a line of some length; done")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt, builder, workshop.request(sample))
            await workshop.until_started(sample.mark)
            await anyio.sleep(0.5)  # all pipes are full
            stopped_at = anyio.current_time()
            tasks.cancel_scope.cancel()
        assert anyio.current_time() - stopped_at < _STOPPED_SECONDS
        await workshop.until_gone(sample.mark)

    async def test_a_deadline_ends_one_that_writes_without_end(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("while :; do echo a line of some length; done")
        began_at = anyio.current_time()
        outcome = await attempt(builder, workshop.request(sample, max_duration_seconds=_SHORT_SECONDS))
        assert isinstance(outcome, BuildInterrupted)
        assert outcome.kind is BuildState.TIMEOUT
        assert anyio.current_time() - began_at < _STOPPED_SECONDS
        await workshop.until_gone(sample.mark)

    async def test_it_can_be_built_after_a_cancellation(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation(f"echo begun; {_BUSY}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt, builder, workshop.request(sample))
            await workshop.until_started(sample.mark)
            tasks.cancel_scope.cancel()
        again = workshop.request(
            sample, log=workshop.log.with_name("again.log"), no_output_timeout_seconds=_SHORT_SECONDS
        )
        await attempt(builder, again)
        assert "begun" in again.log.read_text(), "no lock of the cancelled attempt is in the way"

    async def test_a_wrong_hash_is_final_and_names_both(self, builder: Builder, workshop: Workshop) -> None:
        fixed = {"outputHash": _WRONG_HASH, "outputHashAlgo": "sha256", "outputHashMode": "flat"}
        sample = await workshop.derivation("echo something else > $out", **fixed)
        outcome = await attempt(builder, workshop.request(sample))
        assert isinstance(outcome, BuildFailed)
        assert outcome.final
        assert _WRONG_HASH in outcome.reason
        assert outcome.reason.count("sha256-") == 2

    async def test_a_vanished_derivation_is_no_failure(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo > $out")
        await workshop.delete(sample.record.path)
        outcome = await attempt(builder, workshop.request(sample))
        assert _fault_of_machine(outcome), outcome

    async def test_a_platform_that_it_has_not_is_no_failure(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo > $out", system="pdp11-unix")
        assert sample.record.system not in builder.systems
        assert _fault_of_machine(await attempt(builder, workshop.request(sample)))

    async def test_a_build_cannot_blame_the_machine(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation(f"echo '{_FORGED}' >&2; echo No space left on device; exit 1")
        assert isinstance(await attempt(builder, workshop.request(sample)), BuildFailed)

    async def test_building_again_is_fine(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo > $out")
        assert await attempt(builder, workshop.request(sample)) == Built()
        assert await attempt(builder, workshop.request(sample)) == Built()

    async def test_an_input_that_was_built_is_brought_there(self, builder: Builder, workshop: Workshop) -> None:
        needed = await workshop.derivation("echo made before > $out")
        assert await attempt(builder, workshop.request(needed)) == Built()
        sample = await workshop.dependent(needed, "read line < $input; echo $line; echo > $out")
        request = workshop.request(sample)
        assert await builder.prepare(request) is None
        assert await builder.prepare(request) is None, "what is there is there"
        assert needed.output.path is not None
        assert builder.present([needed.output.path]) == 1
        assert not await workshop.is_valid(sample.output.path), "preparing builds nothing"
        assert await builder.build(request) == Built()
        assert workshop.log_text().splitlines() == ["made before"]

    async def test_cancelled_preparing_is_no_obstacle(self, builder: Builder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo > $out")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(builder.prepare, workshop.request(sample))
            await anyio.sleep(0.02)
            tasks.cancel_scope.cancel()
        assert await attempt(builder, workshop.request(sample)) == Built()

    async def test_two_at_once_do_not_disturb_each_other(self, builder: Builder, workshop: Workshop) -> None:
        good = await workshop.derivation("echo good; echo > $out")
        bad = await workshop.derivation("echo bad; exit 1")
        outcomes: dict[str, BuildOutcome] = {}

        async def make(name: str, sample: Sample) -> None:
            log = workshop.log.with_name(f"{name}.log")
            outcomes[name] = await attempt(builder, workshop.request(sample, log=log))

        async with anyio.create_task_group() as tasks:
            for name, sample in (("good", good), ("bad", bad), ("same", good)):
                tasks.start_soon(make, name, sample)
        assert (outcomes["good"], outcomes["same"]) == (Built(), Built())
        assert isinstance(outcomes["bad"], BuildFailed)
        assert "good" not in workshop.log.with_name("bad.log").read_text()

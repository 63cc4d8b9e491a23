from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import pytest

from ekaci_core.api import (
    BuildInterrupted,
    BuildOutcome,
    BuildState,
    InfrastructureFault,
    System,
    TransientKind,
    UsageFault,
)
from ekaci_core.builtin.local_builder import LocalBuilder, LocalBuilderConfig, LocalBuilderType
from ekaci_core.logs import chunks, open_log
from ekaci_core.testing.builders import BuilderConformance, Workshop, plugin_context

pytestmark = pytest.mark.nix


class TestLocalBuilder(BuilderConformance):
    @pytest.fixture
    async def builder(self, store_environment: Mapping[str, str]) -> AsyncIterator[LocalBuilder]:
        async with LocalBuilderType().open(LocalBuilderConfig(), plugin_context(store_environment)) as builder:
            yield builder

    @pytest.fixture
    def store_environment(self, nix_environment: dict[str, str]) -> Mapping[str, str]:
        return nix_environment

    async def test_a_killed_nix_leaves_no_process(self, builder: LocalBuilder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo begun; (while :; do :; done) & while :; do :; done")
        outcomes: list[BuildOutcome] = []

        async def attempt() -> None:
            outcomes.append(await builder.build(workshop.request(sample)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt)
            await workshop.until_started(sample.mark)
            (nix,) = workshop.processes(f"--realise\0{sample.record.path}\0")
            os.kill(nix, signal.SIGKILL)
        await workshop.until_gone(sample.mark)
        (outcome,) = outcomes
        assert outcome == BuildInterrupted(
            BuildState.PROCESS_DEATH,
            "Nix was ended by signal 9 (SIGKILL)",
            infrastructure=True,
            transient=TransientKind.KILLED,
        )

    async def test_a_log_that_cannot_be_written_is_the_machines_fault(
        self, builder: LocalBuilder, workshop: Workshop
    ) -> None:
        sample = await workshop.derivation("echo > $out")
        (workshop.log.parent / "no-directory").write_text("a file")
        full = await builder.build(workshop.request(sample, log=workshop.log.with_name("no-directory") / "log"))
        assert isinstance(full, BuildInterrupted)
        assert full.infrastructure
        assert "no-directory" in full.reason
        assert full.transient is None

    async def test_a_disk_without_room_for_the_log_is_said(self, builder: LocalBuilder, workshop: Workshop) -> None:
        sample = await workshop.derivation("echo something; while :; do :; done")
        outcome = await builder.build(workshop.request(sample, log=Path("/dev/full")))
        assert isinstance(outcome, BuildInterrupted)
        assert outcome.infrastructure
        assert "no space left" in outcome.reason
        assert outcome.transient is TransientKind.DISK
        await workshop.until_gone(sample.mark)

    async def test_a_disk_without_room_for_the_log_ends_the_build_at_once(
        self, builder: LocalBuilder, workshop: Workshop
    ) -> None:
        sample = await workshop.derivation("while :; do echo a line of some length; done")
        began_at = anyio.current_time()
        outcome = await builder.build(workshop.request(sample, log=Path("/dev/full")))
        assert isinstance(outcome, BuildInterrupted)
        assert outcome.infrastructure
        assert anyio.current_time() - began_at < 15, "it was stuck until it was killed"
        await workshop.until_gone(sample.mark)

    async def test_a_log_that_never_ends_fills_no_disk(
        self, store_environment: Mapping[str, str], workshop: Workshop
    ) -> None:
        sample = await workshop.derivation("echo begun; while :; do echo a line of some length; done")
        config = LocalBuilderConfig(log_bytes=64 * 1024)
        async with LocalBuilderType().open(config, plugin_context(store_environment)) as builder:
            outcome = await builder.build(workshop.request(sample, max_duration_seconds=3))
        assert isinstance(outcome, BuildInterrupted)
        parts = [each for each in workshop.log.parent.iterdir() if each.name.startswith(workshop.log.name)]
        assert len(parts) > 1
        assert sum(each.stat().st_size for each in parts) <= 64 * 1024
        with open_log(workshop.log) as log:
            text = b"".join(chunks(log)).decode()
        assert " bytes of this log were left out here]\n" in text
        assert text.endswith("[stopped: not finished after 3 seconds]\n")

    async def test_a_build_that_waits_for_another_is_not_taken_for_stuck(
        self, builder: LocalBuilder, workshop: Workshop
    ) -> None:
        sample = await workshop.derivation("echo begun; while :; do :; done")
        other = workshop.request(sample, log=workshop.log.with_name("other.log"), no_output_timeout_seconds=2)
        outcomes: list[BuildOutcome] = []

        async def wait_for_it() -> None:
            outcomes.append(await builder.build(other))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(builder.build, workshop.request(sample))
            await workshop.until_started(sample.mark)
            tasks.start_soon(wait_for_it)
            await anyio.sleep(3)
            assert outcomes == []
            tasks.cancel_scope.cancel()
        await workshop.until_gone(sample.mark)


@pytest.mark.anyio
async def test_without_nix_opening_says_so(nix_environment: dict[str, str], tmp_path: Path) -> None:
    environment = {**nix_environment, "PATH": str(tmp_path)}
    with pytest.raises(InfrastructureFault, match="Nix is not installed") as raised:
        async with LocalBuilderType().open(LocalBuilderConfig(), plugin_context(environment)):
            pass
    assert raised.value.do is not None


@pytest.mark.anyio
async def test_what_is_configured_wins_over_what_nix_says(nix_environment: dict[str, str]) -> None:
    config = LocalBuilderConfig(slots=7, systems=("riscv64-linux",), features=("fast",))
    async with LocalBuilderType().open(config, plugin_context(nix_environment)) as builder:
        assert builder.slots == 7
        assert builder.systems == {System("riscv64-linux")}
        assert builder.features == {"fast"}


@pytest.mark.anyio
@pytest.mark.parametrize(("jobs", "slots"), [("5", 5), ("1", len(os.sched_getaffinity(0)))])
async def test_slots_are_nixs_where_somebody_set_them(nix_environment: dict[str, str], jobs: str, slots: int) -> None:
    environment = {**nix_environment, "NIX_CONFIG": f"{nix_environment['NIX_CONFIG']}\nmax-jobs = {jobs}"}
    async with LocalBuilderType().open(LocalBuilderConfig(), plugin_context(environment)) as builder:
        assert builder.slots == slots


@pytest.mark.anyio
async def test_no_slot_is_refused(nix_environment: dict[str, str]) -> None:
    with pytest.raises(UsageFault, match="at least 1"):
        async with LocalBuilderType().open(LocalBuilderConfig(slots=0), plugin_context(nix_environment)):
            pass

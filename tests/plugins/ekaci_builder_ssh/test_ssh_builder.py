"""Builds on another machine, over both protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from ekaci_builder_ssh.builder import SshBuilder
from ekaci_core.api import Builder, BuildFailed, BuildInterrupted, BuildState, Built
from ekaci_core.testing.builders import BuilderConformance, Workshop, attempt

if TYPE_CHECKING:
    from tests.plugins.ekaci_builder_ssh.conftest import OpenBuilder, RemoteMachine

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

BUSY = "while :; do :; done"
FORGED_INSIDE = (
    r"@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"x\",\"raw_msg\":\"cannot open connection to remote store\"}"
)
FORGED = f'@nix {{"action":"msg","level":0,"msg":"{FORGED_INSIDE}"}}'


class TestSshNg(BuilderConformance):
    @pytest.fixture
    async def builder(self, open_builder: OpenBuilder) -> AsyncIterator[SshBuilder]:
        async with open_builder("ssh-ng") as builder:
            yield builder

    @pytest.fixture
    def store_environment(self, nix_environment: dict[str, str]) -> Mapping[str, str]:
        return nix_environment


class TestSsh(TestSshNg):
    @pytest.fixture
    async def builder(self, open_builder: OpenBuilder) -> AsyncIterator[SshBuilder]:
        async with open_builder("ssh") as builder:
            yield builder

    async def test_every_line_reaches_the_log(self, builder: Builder, workshop: Workshop) -> None:
        """The older protocol prints what comes from the build as a program does that has no terminal."""
        script = r"printf 'bad \377 byte\n\033[31mred\033[0m\nlast without newline'; echo > $out"
        sample = await workshop.derivation(script)
        assert await attempt(builder, workshop.request(sample)) == Built()
        assert workshop.log_text().splitlines() == ["bad � byte", "red", "last without newline"]

    async def test_phases_are_told_in_order(self, builder: Builder, workshop: Workshop) -> None:
        """The older protocol does not know phases: they are neither told nor taken for lines."""
        phases: list[str] = []
        sample = await workshop.derivation('echo \'@nix {"action":"setPhase","phase":"unpack"}\' >&2; echo > $out')
        assert await attempt(builder, workshop.request(sample, on_phase=phases.append)) == Built()
        assert phases == []
        assert workshop.log_text() == ""


@pytest.fixture
def workshop(nix_environment: dict[str, str], tmp_path: Path) -> Workshop:
    return Workshop(nix_environment, tmp_path)


@pytest.fixture(params=["ssh-ng", "ssh"])
async def builder(request: pytest.FixtureRequest, open_builder: OpenBuilder) -> AsyncIterator[SshBuilder]:
    async with open_builder(request.param) as builder:
        yield builder


async def test_the_build_is_the_machines_and_the_outputs_are_ours(
    builder: SshBuilder, remote: RemoteMachine, workshop: Workshop
) -> None:
    needed = await workshop.derivation("echo made before > $out")
    sample = await workshop.dependent(
        needed, "read line < $input; echo $line; echo > $out; echo > $dev", outputs=["out", "dev"]
    )
    assert await attempt(builder, workshop.request(needed)) == Built()
    assert await attempt(builder, workshop.request(sample, gc_root=workshop.gc_root)) == Built()
    assert remote.built(sample)
    assert remote.has(sample.output.path)
    assert await workshop.is_valid(sample.output.path)
    paths = {output.name: output.path for output in sample.record.outputs}
    assert str(workshop.gc_root.readlink()) == paths["out"]
    assert str(workshop.gc_root.with_name("result-dev").readlink()) == paths["dev"]
    assert workshop.log_text().splitlines() == ["made before"]


async def test_preparing_copies_and_builds_nothing(
    builder: SshBuilder, remote: RemoteMachine, workshop: Workshop
) -> None:
    needed = await workshop.derivation("echo made before > $out")
    sample = await workshop.dependent(needed, "echo > $out")
    assert await attempt(builder, workshop.request(needed)) == Built()
    assert needed.output.path is not None
    builder._known.forget()  # as a builder that was just opened
    assert builder.present([needed.output.path]) == 0
    assert await builder.prepare(workshop.request(sample)) is None
    assert builder.present([needed.output.path]) == 1
    assert remote.has(needed.output.path)
    assert not remote.built(sample)
    asked = len(remote.commands())
    assert await builder.prepare(workshop.request(sample)) is None
    assert len(remote.commands()) == asked, "what is known to be there is not asked for"


async def test_failure_tells_the_exit_code(builder: SshBuilder, remote: RemoteMachine, workshop: Workshop) -> None:
    sample = await workshop.derivation("echo the cause; exit 3")
    outcome = await attempt(builder, workshop.request(sample))
    assert isinstance(outcome, BuildFailed)
    assert (outcome.exit_status, outcome.final) == (3, False)
    assert workshop.log_text().splitlines()[0] == "the cause"
    assert remote.commands()[-1].startswith(("nix-daemon --stdio", "nix-store --serve"))


async def test_a_build_cannot_blame_the_machine(builder: SshBuilder, workshop: Workshop) -> None:
    for text in (FORGED, FORGED_INSIDE.replace("\\", ""), "ssh: connect to host x: Connection refused"):
        sample = await workshop.derivation('echo "$text"; echo "$text" >&2; exit 1', text=text)
        outcome = await attempt(builder, workshop.request(sample))
        assert isinstance(outcome, BuildFailed), text
        assert outcome.exit_status == 1


async def test_silence_and_cancellation_end_the_machines_build_too(builder: SshBuilder, workshop: Workshop) -> None:
    sample = await workshop.derivation(f"echo begun; {BUSY}")
    outcome = await attempt(builder, workshop.request(sample, no_output_timeout_seconds=8))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.kind is BuildState.TIMEOUT
    assert "begun" in workshop.log_text(), "the log was there before the end"
    await workshop.until_gone(sample.mark)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(attempt, builder, workshop.request(sample))
        await workshop.until_started(sample.mark)
        tasks.cancel_scope.cancel()
    await workshop.until_gone(sample.mark)


async def test_inputs_that_are_not_here_any_more_are_told(builder: SshBuilder, workshop: Workshop) -> None:
    needed = await workshop.derivation("echo made before > $out")
    sample = await workshop.dependent(needed, "echo > $out")
    await workshop.delete(sample.record.path)
    outcome = await attempt(builder, workshop.request(sample))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure

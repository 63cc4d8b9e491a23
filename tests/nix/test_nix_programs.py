from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.api import BuildFailed, Built, InfrastructureFault
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.testing.builders import Workshop

pytestmark = [pytest.mark.nix, pytest.mark.anyio]


@pytest.fixture
def nix(nix_environment: dict[str, str]) -> NixCommands:
    return NixCommands(nix_environment)


@pytest.fixture
def workshop(nix_environment: dict[str, str], tmp_path: Path) -> Workshop:
    return Workshop(nix_environment, tmp_path)


async def test_a_program_tells_its_status_and_all_it_wrote(nix: NixCommands) -> None:
    done = await nix.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.status, done.stdout, done.stderr) == (3, "out\n", "err\n")


async def test_a_program_that_hangs_is_stopped(nix: NixCommands) -> None:
    with pytest.raises(InfrastructureFault, match="longer than"):
        await nix.run(["sleep", "600"], timeout_seconds=0.2)
    with pytest.raises(InfrastructureFault, match="was not found"):
        await nix.run(["no-such-program-anywhere"])


async def test_inputs_are_the_outputs_that_are_used(nix: NixCommands, workshop: Workshop) -> None:
    needed = await workshop.derivation("echo > $out; echo > $dev", outputs=["out", "dev"])
    sample = await workshop.dependent(needed, "echo > $out")
    assert await nix.inputs(sample.record.path) == (needed.output.path,)
    assert await nix.inputs(needed.record.path) == ()
    await workshop.delete(sample.record.path)
    with pytest.raises(InfrastructureFault, match="no longer in the store"):
        await nix.inputs(sample.record.path)


async def test_arguments_win_and_the_side_channel_is_heard(nix: NixCommands, workshop: Workshop) -> None:
    sample = await workshop.derivation("echo a line; echo > $out")
    hook = workshop.log.with_name("hook")
    hook.write_text('#!/bin/sh\necho from the side >&3\necho "# decline-permanently" >&2\n')
    hook.chmod(0o755)
    arguments = ["--option", "build-hook", str(hook), "--option", "builders", "ssh://nowhere.invalid"]
    done = await nix.realise(workshop.request(sample), arguments=arguments)
    assert (done.outcome, done.aside, done.began) == (Built(), ("from the side",), True)
    assert workshop.log_text().splitlines() == ["a line"]
    again = await workshop.derivation("echo a line; exit 1")
    logged = await nix.realise(workshop.request(again), arguments=arguments, side_is_log=True)
    assert isinstance(logged.outcome, BuildFailed)
    assert sorted(workshop.log_text().splitlines()[:2]) == ["a line", "from the side"]
    assert logged.aside == ()
    assert "failed with exit code 1" in logged.error_text
    assert "a line" not in logged.error_text
    assert again.record.name not in logged.error_text

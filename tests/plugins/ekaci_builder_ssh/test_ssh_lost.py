"""Machines that go away, lie, hang or are full: each costs a retry elsewhere and is told once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from ekaci_builder_ssh.builder import SshBuilder
from ekaci_builder_ssh.circuit import CircuitSettings
from ekaci_core.api import BuildInterrupted, BuildOutcome, BuildState, Built, TransientKind
from ekaci_core.testing.builders import Workshop, attempt

if TYPE_CHECKING:
    from tests.plugins.ekaci_builder_ssh.conftest import OpenBuilder, RecordingLogger, RemoteMachine

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

BUSY = "while :; do :; done"


@pytest.fixture
def workshop(nix_environment: dict[str, str], tmp_path: Path) -> Workshop:
    return Workshop(nix_environment, tmp_path)


@pytest.fixture(autouse=True)
def _honest_again(remote: RemoteMachine) -> Iterator[None]:
    yield
    remote.behave("")


@pytest.fixture(params=["ssh-ng", "ssh"])
async def builder(request: pytest.FixtureRequest, open_builder: OpenBuilder) -> AsyncIterator[SshBuilder]:
    async with open_builder(request.param) as builder:
        yield builder


def lost(outcome: BuildOutcome | None, kind: TransientKind = TransientKind.BUILDER_LOST) -> BuildInterrupted:
    assert isinstance(outcome, BuildInterrupted), outcome
    assert (outcome.kind, outcome.transient) == (BuildState.PROCESS_DEATH, kind), outcome
    assert outcome.infrastructure
    return outcome


async def test_a_connection_that_breaks_mid_build_is_a_lost_builder(
    builder: SshBuilder, remote: RemoteMachine, workshop: Workshop
) -> None:
    sample = await workshop.derivation(f"echo begun; {BUSY}")
    outcomes: list[BuildOutcome] = []

    async def make() -> None:
        outcomes.append(await attempt(builder, workshop.request(sample)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(make)
        with anyio.fail_after(30):
            while not (workshop.log.exists() and "begun" in workshop.log_text()):  # noqa: ASYNC110 - a file's growth sets no event
                await anyio.sleep(0.05)
        remote.cut()
    lost(outcomes[0])
    await workshop.until_gone(sample.mark)


async def test_three_failed_connections_open_the_circuit_and_an_answer_closes_it(
    open_builder: OpenBuilder, remote: RemoteMachine, workshop: Workshop, log: RecordingLogger
) -> None:
    sample = await workshop.derivation("echo > $out")
    async with open_builder("ssh-ng", breaker=CircuitSettings(first_probe_seconds=0.3)) as builder:
        remote.stop()
        try:
            for count in range(3):
                assert builder.slots == 4, count
                assert "Connection refused" in lost(await builder.prepare(workshop.request(sample))).reason
            assert builder.slots == 0
            left_alone = lost(await builder.prepare(workshop.request(sample)))
            assert "left alone" in left_alone.reason
            assert lost(await builder.build(workshop.request(sample))) == left_alone
            assert log.events("builder_left_alone") == 1
            await anyio.sleep(1)
            assert builder.slots == 0, "probes find nobody"
        finally:
            remote.start()
        with anyio.fail_after(30):
            while builder.slots == 0:  # noqa: ASYNC110 - the contract has no event for it: it is looked at
                await anyio.sleep(0.05)
        assert log.events("builder_back") == 1
        assert await attempt(builder, workshop.request(sample)) == Built()


@pytest.mark.parametrize("scheme", ["ssh-ng", "ssh"])
async def test_a_machine_that_hangs_is_lost_in_time(
    open_builder: OpenBuilder, remote: RemoteMachine, workshop: Workshop, scheme: str
) -> None:
    sample = await workshop.derivation("echo > $out")
    remote.behave("exec sleep 600")
    async with open_builder(scheme, breaker=CircuitSettings(answer_seconds=1)) as builder:
        assert "did not answer in time" in lost(await builder.prepare(workshop.request(sample))).reason
        unasked = await builder.build(workshop.request(sample, no_output_timeout_seconds=1))
        assert "did not answer in time" in lost(unasked).reason


async def test_a_machine_that_closes_at_once_is_lost(
    builder: SshBuilder, remote: RemoteMachine, workshop: Workshop
) -> None:
    sample = await workshop.derivation("echo > $out")
    remote.behave("exit 1")
    lost(await attempt(builder, workshop.request(sample)))


async def test_without_nix_there_it_is_said(builder: SshBuilder, remote: RemoteMachine, workshop: Workshop) -> None:
    sample = await workshop.derivation("echo > $out")
    remote.behave('SSH_ORIGINAL_COMMAND="no-such-$SSH_ORIGINAL_COMMAND"; export PATH=/nowhere')
    outcome = await attempt(builder, workshop.request(sample))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure


async def test_a_machine_that_lies_about_its_platforms_is_reported_once(
    open_builder: OpenBuilder, workshop: Workshop, log: RecordingLogger
) -> None:
    honest = await workshop.derivation("echo > $out")
    for scheme in ("ssh-ng", "ssh"):
        async with open_builder(scheme, systems=("pdp11-unix", honest.record.system)) as builder:
            sample = await workshop.derivation("echo > $out", system="pdp11-unix")
            for _ in range(2):
                outcome = lost(await attempt(builder, workshop.request(sample)))
                assert "does not build for" in outcome.reason
                assert "pdp11-unix" in outcome.reason
            assert builder.slots == 4, "it answers"
            assert await attempt(builder, workshop.request(honest)) == Built()
    assert log.events("builder_lies") == 2, "once for each builder"


async def test_a_key_that_is_not_accepted_is_said(
    open_builder: OpenBuilder, workshop: Workshop, tmp_path: Path
) -> None:
    other = tmp_path / "other key"
    await anyio.run_process(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)])
    sample = await workshop.derivation("echo > $out")
    async with open_builder("ssh-ng", ssh_key=str(other)) as builder:
        outcome = lost(await attempt(builder, workshop.request(sample)), TransientKind.SSH)
        assert "does not accept the key" in outcome.reason


async def test_a_machine_with_another_host_key_gets_nothing(
    open_builder: OpenBuilder, remote: RemoteMachine, workshop: Workshop
) -> None:
    asked = len(remote.commands())
    sample = await workshop.derivation("echo > $out")
    wrong = (remote.folder / "user_key.pub").read_text()
    async with open_builder("ssh-ng", host_key=wrong) as builder:
        outcome = lost(await attempt(builder, workshop.request(sample)), TransientKind.SSH)
        assert "host key is not the one that is expected" in outcome.reason
    assert len(remote.commands()) == asked


async def test_a_full_disk_there_is_transient(
    builder: SshBuilder, remote: RemoteMachine, workshop: Workshop, tmp_path: Path
) -> None:
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=1m none {small}"
    if (await anyio.run_process([*unshare, "sh", "-c", mount], check=False)).returncode != 0:
        pytest.skip("this machine allows no file system of a test's own")
    sample = await workshop.derivation("exit 1")
    there = f'{" ".join(unshare)} sh -c \\"{mount} && $SSH_ORIGINAL_COMMAND\\"'
    remote.behave(f'export TMPDIR={small}; SSH_ORIGINAL_COMMAND="{there}"')
    assert "no space left" in lost(await attempt(builder, workshop.request(sample)), TransientKind.DISK).reason


async def test_what_was_collected_there_is_copied_again(
    open_builder: OpenBuilder, remote: RemoteMachine, workshop: Workshop
) -> None:
    sample = await workshop.derivation("echo > $out")
    async with open_builder("ssh-ng") as builder:
        assert await builder.prepare(workshop.request(sample)) is None
        gone = ["nix-store", "--delete", sample.record.path, "--store", str(remote.store)]
        await anyio.run_process(gone, env=remote.environment)
        outcome = lost(await builder.build(workshop.request(sample)))
        assert "no longer has" in outcome.reason
        assert await attempt(builder, workshop.request(sample)) == Built()

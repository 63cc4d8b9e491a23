"""Builds through a real daemon."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import pytest
from tests.plugins.ekaci_builder_daemon.conftest import running_daemon

from ekaci_builder_daemon.builder import DaemonBuilder
from ekaci_builder_daemon.kind import DaemonBuilderConfig, DaemonBuilderType
from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildState, Built, TransientKind
from ekaci_core.process.sessions import process_table
from ekaci_core.testing.builders import BuilderConformance, Workshop, plugin_context

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

BUSY = "while :; do :; done"


@pytest.fixture
async def builder(daemon_socket: Path, nix_environment: Mapping[str, str]) -> AsyncIterator[DaemonBuilder]:
    config = DaemonBuilderConfig(socket=str(daemon_socket))
    async with DaemonBuilderType().open(config, plugin_context(nix_environment)) as builder:
        yield builder


def descendants(pid: int) -> list[int]:
    """A process and all that came from it."""
    table = process_table()
    found = {pid}
    while more := {each.pid for each in table.values() if each.parent in found} - found:
        found |= more
    return sorted(found)


class TestThroughTheSocket(BuilderConformance):
    @pytest.fixture
    async def builder(self, builder: DaemonBuilder) -> DaemonBuilder:
        return builder

    @pytest.fixture
    def store_environment(self, nix_environment: dict[str, str]) -> Mapping[str, str]:
        return nix_environment


async def test_no_process_is_started_for_a_build(builder: DaemonBuilder, workshop: Workshop) -> None:
    """But for the daemon's own, which each connection has one of, and which the next build uses again."""
    first, second = [await workshop.derivation("echo > $out") for _ in range(2)]
    assert await builder.build(workshop.request(first)) == Built()
    mine = set(descendants(os.getpid()))
    assert await builder.build(workshop.request(second, gc_root=workshop.gc_root)) == Built()
    assert set(descendants(os.getpid())) <= mine
    (held,) = builder.pool._idle
    assert held.builds >= 2, "what greeted it at first built them too"


async def test_the_builds_own_hook_is_in_the_store(builder: DaemonBuilder, workshop: Workshop) -> None:
    (held,) = builder.pool._idle
    assert held.connection.hook is not None
    assert await workshop.is_valid(held.connection.hook)
    assert os.access(held.connection.hook, os.X_OK)


async def test_a_hook_that_was_collected_is_added_again(builder: DaemonBuilder, workshop: Workshop) -> None:
    hook = builder.pool._idle[0].connection.hook
    assert hook is not None
    builder.pool.close()
    await workshop.delete(hook)
    sample = await workshop.derivation("echo > $out")
    assert await builder.build(workshop.request(sample)) == Built()
    assert await workshop.is_valid(hook)


async def test_outputs_are_kept_by_their_roots_alone_once_the_connection_is_closed(
    builder: DaemonBuilder, workshop: Workshop
) -> None:
    sample = await workshop.derivation("echo > $out")
    assert await builder.build(workshop.request(sample, gc_root=workshop.gc_root)) == Built()
    builder.pool.close()
    assert sample.output.path is not None
    with pytest.raises(AssertionError, match="still alive"):
        await workshop.delete(sample.output.path)
    workshop.gc_root.unlink()
    await workshop.delete(sample.output.path)


async def test_dependencies_are_looked_after_by_the_daemon(builder: DaemonBuilder, workshop: Workshop) -> None:
    needed = await workshop.derivation("echo made before; echo one > $out")
    sample = await workshop.dependent(needed, "read line < $input; echo got $line; echo > $out")
    assert await builder.build(workshop.request(sample)) == Built()
    assert workshop.log_text().splitlines() == [f"{needed.record.name}> made before", "got one"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon")
async def test_a_daemon_that_is_killed_in_the_middle_may_come_back(
    nix_environment: Mapping[str, str], folder: Path, workshop: Workshop
) -> None:
    sample = await workshop.derivation(f"echo begun; {BUSY}")
    socket = folder / "restarted"
    outcomes: list[BuildOutcome] = []
    config = DaemonBuilderConfig(socket=str(socket))
    with running_daemon(socket, nix_environment) as daemon:
        async with DaemonBuilderType().open(config, plugin_context(nix_environment)) as builder:

            async def attempt() -> None:
                outcomes.append(await builder.build(workshop.request(sample)))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(attempt)
                await workshop.until_started(sample.mark)
                for process in descendants(daemon.pid):
                    os.kill(process, signal.SIGKILL)
            socket.unlink(missing_ok=True)
            (outcome,) = outcomes
            assert isinstance(outcome, BuildInterrupted)
            assert (outcome.kind, outcome.transient) == (BuildState.PROCESS_DEATH, TransientKind.DAEMON)
            with running_daemon(socket, nix_environment):
                again = await workshop.derivation("echo > $out")
                assert await builder.build(workshop.request(again)) == Built()
    await workshop.until_gone(sample.mark)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon")
async def test_who_is_not_trusted_builds_too(
    nix_environment: Mapping[str, str], folder: Path, workshop: Workshop
) -> None:
    socket = folder / "wary"
    wary = {**nix_environment, "NIX_CONFIG": f"{nix_environment['NIX_CONFIG']}\ntrusted-users = nobody"}
    config = DaemonBuilderConfig(socket=str(socket), options={"sandbox": "true"})
    with running_daemon(socket, wary):
        async with DaemonBuilderType().open(config, plugin_context(nix_environment)) as builder:
            good = await workshop.derivation("echo good; echo > $out")
            assert await builder.build(workshop.request(good, gc_root=workshop.gc_root)) == Built()
            assert workshop.log_text() == "good\n"
            bad = await workshop.derivation("echo bad; exit 3")
            outcome = await builder.build(workshop.request(bad))
            assert isinstance(outcome, BuildFailed)
            assert outcome.exit_status == 3

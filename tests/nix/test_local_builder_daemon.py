"""The local builder as most people use it: without rights of its own, through a daemon that has them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from ekaci_core.api import BuildInterrupted, BuildOutcome, BuildState, InfrastructureFault, TransientKind
from ekaci_core.builtin.local_builder import LocalBuilder, LocalBuilderConfig, LocalBuilderType
from ekaci_core.process.sessions import process_table
from ekaci_core.testing.builders import BuilderConformance, Workshop, plugin_context

pytestmark = [
    pytest.mark.nix,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon and become another user"),
]

NOBODY = 65534


def as_nobody(program: str, folder: Path) -> None:
    """Put an executable into ``folder`` that runs the real program without root's rights."""
    real = shutil.which(program)
    setpriv = shutil.which("setpriv")
    wrapper = folder / program
    drop = f"--reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs"
    wrapper.write_text(f'#!/bin/sh\nexec {setpriv} {drop} -- {real} "$@"\n')
    wrapper.chmod(0o755)


def environment_of_nobody(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment of a user who has nothing but the daemon."""
    programs = folder / "bin"
    programs.mkdir()
    for program in ("nix", "nix-store"):
        as_nobody(program, programs)
    home = folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    kept = {name: value for name, value in given.items() if not name.startswith(("XDG_", "NIX_"))}
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{programs}:{given['PATH']}",
        "NIX_CONFIG": "experimental-features = nix-command",
        "NIX_REMOTE": "daemon",
        "NIX_DAEMON_SOCKET_PATH": str(folder / "socket"),
    }


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A directory that another user can reach, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ekaci-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="module")
def nobody(folder: Path, nix_environment: dict[str, str]) -> dict[str, str]:
    return environment_of_nobody(nix_environment, folder)


def descendants(pid: int) -> list[int]:
    """A process and all that came from it."""
    table = process_table()
    found = {pid}
    while more := {each.pid for each in table.values() if each.parent in found} - found:
        found |= more
    return sorted(found)


@contextmanager
def running_daemon(socket: Path, nix_environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon at a socket, in a session of its own."""
    environment = {**nix_environment, "NIX_DAEMON_SOCKET_PATH": str(socket)}
    told = socket.with_suffix(".log")
    with told.open("wb") as log:
        daemon = subprocess.Popen(["nix-daemon"], env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + 30
            while not socket.exists():
                assert time.monotonic() < deadline, told.read_text()
                assert daemon.poll() is None, told.read_text()
                time.sleep(0.02)
            yield daemon
        finally:
            with suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGTERM)
            daemon.wait(30)


@pytest.fixture(scope="module")
def _daemon(folder: Path, nix_environment: dict[str, str]) -> Iterator[None]:
    with running_daemon(folder / "socket", nix_environment):
        yield


@pytest.mark.usefixtures("_daemon")
class TestThroughTheDaemon(BuilderConformance):
    @pytest.fixture
    async def builder(self, nobody: dict[str, str]) -> AsyncIterator[LocalBuilder]:
        async with LocalBuilderType().open(LocalBuilderConfig(), plugin_context(nobody)) as builder:
            yield builder

    @pytest.fixture
    def store_environment(self, nix_environment: dict[str, str]) -> Mapping[str, str]:
        return nix_environment

    @pytest.fixture
    def workshop(self, store_environment: Mapping[str, str], folder: Path, tmp_path: Path) -> Workshop:
        workshop = Workshop(store_environment, tmp_path)
        own = Path(tempfile.mkdtemp(dir=folder))
        own.chmod(0o755)
        workshop.gc_root = own / "roots" / "result"
        workshop.gc_root.parent.mkdir()
        os.chown(workshop.gc_root.parent, NOBODY, NOBODY)
        return workshop


@pytest.mark.anyio
async def test_no_daemon_is_said_when_opening(nobody: dict[str, str], folder: Path) -> None:
    without = {**nobody, "NIX_DAEMON_SOCKET_PATH": str(folder / "nobody-listens")}
    with pytest.raises(InfrastructureFault, match="cannot connect") as raised:
        async with LocalBuilderType().open(LocalBuilderConfig(), plugin_context(without)):
            pass
    assert raised.value.do is not None
    assert "daemon" in raised.value.do


@pytest.mark.anyio
async def test_a_daemon_that_went_is_the_machines_fault(
    nix_environment: dict[str, str], nobody: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    workshop = Workshop(nix_environment, tmp_path)
    sample = await workshop.derivation("echo > $out")
    without = {**nobody, "NIX_DAEMON_SOCKET_PATH": str(folder / "nobody-listens")}
    builder = LocalBuilder("local", frozenset(), frozenset(), 1, without)
    outcome = await builder.build(workshop.request(sample))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure
    assert "daemon" in outcome.reason
    assert outcome.transient is TransientKind.DAEMON


@pytest.mark.anyio
async def test_a_daemon_that_is_killed_in_the_middle_may_come_back(
    nix_environment: dict[str, str], nobody: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    workshop = Workshop(nix_environment, tmp_path)
    sample = await workshop.derivation("echo begun; while :; do :; done")
    environment = {**nobody, "NIX_DAEMON_SOCKET_PATH": str(folder / "restarted")}
    builder = LocalBuilder("local", frozenset(), frozenset(), 1, environment)
    outcomes: list[BuildOutcome] = []

    async def attempt() -> None:
        outcomes.append(await builder.build(workshop.request(sample)))

    with running_daemon(folder / "restarted", nix_environment) as daemon:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt)
            await workshop.until_started(sample.mark)
            for process in descendants(daemon.pid):
                os.kill(process, signal.SIGKILL)
    await workshop.until_gone(sample.mark)
    (outcome,) = outcomes
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.kind, outcome.transient) == (BuildState.PROCESS_DEATH, TransientKind.DAEMON)

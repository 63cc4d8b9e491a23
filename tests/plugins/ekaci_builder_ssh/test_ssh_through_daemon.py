"""From a machine whose store belongs to a daemon, as a user that the daemon trusts and who has no rights otherwise."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ekaci_builder_ssh.builder import SshBuilder
from ekaci_builder_ssh.connection import connection_to
from ekaci_builder_ssh.machine import Machine, checked_host_key
from ekaci_core.api import BuildFailed, Built, System
from ekaci_core.testing.builders import Workshop, attempt, plugin_context

if TYPE_CHECKING:
    from tests.plugins.ekaci_builder_ssh.conftest import RemoteMachine

pytestmark = [
    pytest.mark.nix,
    pytest.mark.anyio,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon and become another user"),
]

NOBODY = 65534


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A directory that another user can reach, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ekaci-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="module")
def socket(folder: Path, remote: RemoteMachine) -> Iterator[Path]:
    """A daemon that trusts nobody; its own ssh knows the machine's port and key, as root's configuration would."""
    path = folder / "socket"
    lines = f"{remote.environment['NIX_CONFIG']}\ntrusted-users = nobody"
    environment = {**remote.environment, "NIX_DAEMON_SOCKET_PATH": str(path), "NIX_CONFIG": lines}
    with (folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(["nix-daemon"], env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + 30
            while not path.exists():
                assert time.monotonic() < deadline, (folder / "daemon.log").read_text()
                time.sleep(0.02)
            yield path
        finally:
            os.killpg(daemon.pid, signal.SIGTERM)
            daemon.wait(30)


@pytest.fixture(scope="module")
def nobody(folder: Path, socket: Path, remote: RemoteMachine) -> dict[str, str]:
    programs = folder / "bin"
    programs.mkdir()
    drop = f"{shutil.which('setpriv')} --reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs"
    for program in ("nix", "nix-store"):
        wrapper = programs / program
        wrapper.write_text(f'#!/bin/sh\nexec {drop} -- {shutil.which(program)} "$@"\n')
        wrapper.chmod(0o755)
    for name in ("home", "roots", "key"):
        (folder / name).mkdir()
        os.chown(folder / name, NOBODY, NOBODY)
    shutil.copy(remote.user_key, folder / "key/nobodys")
    os.chown(folder / "key/nobodys", NOBODY, NOBODY)
    kept = {name: value for name, value in remote.environment.items() if not name.startswith("XDG_")}
    return {
        **kept,
        "HOME": str(folder / "home"),
        "PATH": f"{programs}:{remote.environment['PATH']}",
        "NIX_CONFIG": "experimental-features = nix-command",
        "NIX_REMOTE": "daemon",
        "NIX_DAEMON_SOCKET_PATH": str(socket),
    }


@pytest.fixture(params=["ssh-ng", "ssh"])
async def builder(
    request: pytest.FixtureRequest, remote: RemoteMachine, nobody: dict[str, str], folder: Path
) -> SshBuilder:
    """As the type opens it, in a folder that the other user may enter: here only Nix's programs run as that user."""
    machine = Machine(
        remote.uri(request.param), ssh_key=str(folder / "key/nobodys"), host_key=checked_host_key(remote.host_key)
    )
    own = folder / request.param
    own.mkdir(mode=0o755)
    connection = connection_to(machine, own, nobody)
    (own / "ssh").chmod(0o755)
    return SshBuilder(machine, frozenset({local_system()}), connection, plugin_context(nobody))


def local_system() -> System:
    """The platform of this machine, as the samples have it."""
    asked = ["nix-instantiate", "--eval", "--expr", "builtins.currentSystem"]
    return System.parse(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip().strip('"'))


async def test_it_builds_there(
    builder: SshBuilder, remote: RemoteMachine, nix_environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    workshop = Workshop(nix_environment, tmp_path)
    sample = await workshop.derivation("echo a line; echo > $out")
    root = folder / "roots" / sample.mark
    assert await attempt(builder, workshop.request(sample, gc_root=root)) == Built()
    assert remote.built(sample)
    assert str(root.readlink()) == sample.output.path
    assert workshop.log_text().splitlines() == ["a line"]
    failing = await workshop.derivation("exit 3")
    outcome = await attempt(builder, workshop.request(failing))
    assert isinstance(outcome, BuildFailed)
    assert outcome.exit_status == 3

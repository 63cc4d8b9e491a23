"""A daemon of Nix on a private socket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ekaci_core.testing.builders import Workshop


@contextmanager
def running_daemon(socket: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon at a socket, in a session of its own."""
    told = socket.with_suffix(".log")
    with told.open("wb") as log:
        daemon = subprocess.Popen(
            ["nix-daemon"],
            env={**environment, "NIX_DAEMON_SOCKET_PATH": str(socket)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
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


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A directory that another user can reach, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ekaci-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def daemon_socket(folder: Path, nix_environment: Mapping[str, str]) -> Iterator[Path]:
    """Where a daemon listens that builds in this machine's store."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a daemon")
    assert shutil.which("nix-daemon"), "nix-daemon comes with Nix"
    with running_daemon(folder / "socket", nix_environment):
        yield folder / "socket"


@pytest.fixture
def workshop(nix_environment: Mapping[str, str], tmp_path: Path) -> Workshop:
    return Workshop(nix_environment, tmp_path)

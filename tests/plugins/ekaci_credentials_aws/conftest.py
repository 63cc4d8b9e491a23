"""AWS on loopback: moto's server, in a process of its own, asked by nothing but HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from ekaci_core.api import PluginContext
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.testing.builders import RealClock, SilentLogger


def context() -> PluginContext:
    environment = dict(os.environ)
    return PluginContext(clock=RealClock(), log=SilentLogger(), environment=environment, nix=NixCommands({}))


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Moto's server; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    child = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _await(address, child)
        yield address
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await(address: str, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and child.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/moto-api/data.json", timeout=5):  # noqa: S310 - our own
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("moto's server does not answer")


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """AWS where this process looks for it, with keys and a region; yields the address."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-process-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-process-key")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return moto

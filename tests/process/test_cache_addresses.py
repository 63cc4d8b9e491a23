"""A real server and the names of its caches: the machine's own resolver says where they lead."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EKACI = str(Path(sys.executable).parent / "ekaci")


@contextmanager
def server(folder: Path, destination: str, settings: str = "") -> Iterator[subprocess.Popen[str]]:
    file = folder / "ekaci.toml"
    file.write_text(
        f'db_path = "{folder}/db"\nlogs_dir = "{folder}/logs"\nworkspace_root = "{folder}/work"\n'
        f'shutdown_grace_seconds = 1\n[web]\nport = 0\n[unix]\nsocket_path = "{folder}/sock"\n'
        f"[security]\nallow_insecure_webhooks = true\n{settings}\n"
        f'[[caches]]\nid = "a"\ncache_type = "nix-copy"\ndestination = "{destination}"\ncredentials = "none"\n'
    )
    argv = [EKACI, "serve", "--config-file", str(file)]
    process = subprocess.Popen(argv, env=dict(os.environ), stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said_until(process: subprocess.Popen[str], last: str) -> str:
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if last in line:
            break
    return "".join(lines)


@pytest.mark.nix
@pytest.mark.timeout(120)
def test_a_name_that_does_not_resolve_keeps_no_server_from_starting(tmp_path: Path) -> None:
    with server(tmp_path, "https://ekaci-nobody.invalid/x") as process:
        said = said_until(process, "listening at")
        assert "listening at" in said
        assert "caches[0].destination: ekaci-nobody.invalid: the name does not resolve" in said
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.fixture
def own_name() -> str:
    """A name that leads to this machine and says so to the resolver alone."""
    name = socket.gethostname().lower()
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(name, 443)}
    except OSError:
        found = set()
    if not found or not all(address.startswith(("127.", "10.", "192.168.", "172.17.")) for address in found):
        pytest.skip(f"{name} does not resolve to this machine here")
    return name


@pytest.mark.nix
@pytest.mark.timeout(120)
def test_a_name_that_leads_to_this_machine_keeps_a_server_from_starting_unless_it_is_allowed(
    tmp_path: Path, own_name: str
) -> None:
    with server(tmp_path, f"https://{own_name}/x") as process:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert f"caches[0].destination: {own_name}: it leads to " in said
        assert "security.allow_private_cache_hosts = true" in said
        assert "Traceback" not in said
    with server(tmp_path, f"https://{own_name}/x", "allow_private_cache_hosts = true") as process:
        assert "listening at" in said_until(process, "listening at")

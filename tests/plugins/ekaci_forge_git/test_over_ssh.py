"""A remote behind a real sshd on loopback: the key opens it, and a host key that nobody named does not."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from tests.plugins.ekaci_forge_git.bare import Bare, context_of, opened

from ekaci_core.api import Check, CheckStatus, Conclusion, InfrastructureFault, Published
from ekaci_core.testing.forge_laboratory import RecordingLogger

pytestmark = pytest.mark.anyio

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
"""


@attrs.frozen
class Door:
    """Where sshd listens; ``folder`` has its keys and the user's."""

    folder: Path
    port: int

    @property
    def settings(self) -> dict[str, str]:
        """What a table says to get in."""
        return {"ssh_key": str(self.folder / "user_key"), "known_hosts": str(self.folder / "known_hosts")}

    def url(self, bare: Bare) -> str:
        """Name a repository by way of it."""
        return f"ssh://{pwd.getpwuid(os.geteuid()).pw_name}@127.0.0.1:{self.port}{bare.folder}"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        if os.environ.get("EKACI_REQUIRE_SSHD", "") not in ("", "0"):
            pytest.fail("needs sshd, and EKACI_REQUIRE_SSHD is set", pytrace=False)
        pytest.skip("needs sshd: install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd does not start without it
    folder = tmp_path / "door"
    folder.mkdir()
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    (folder / "sshd_config").write_text(_CONFIG.format(port=port, folder=folder))
    with (folder / "log").open("wb") as log:
        argv = [program, "-D", "-e", "-f", str(folder / "sshd_config")]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    until = time.monotonic() + 30
    while b"listening" not in (folder / "log").read_bytes():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until, (folder / "log").read_text()
        time.sleep(0.02)
    yield Door(folder, port)
    process.terminate()
    process.wait(30)


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    made = Bare.made(tmp_path / "packages.git")
    made.push("pr/one", "First", onto=made("rev-parse", "main"))
    return made


async def test_a_key_opens_a_remote_for_fetching_and_for_notes(bare: Bare, door: Door, tmp_path: Path) -> None:
    context = context_of(RecordingLogger())
    async with opened(door.url(bare), tmp_path / "cache", context, notes=True, **door.settings) as forge:
        (repository,) = await forge.repositories()
        assert str(repository) == f"127.0.0.1:{door.port}/packages/packages"
        (pull,) = await forge.open_pull_requests(repository)
        assert pull.title == "First"
        assert (await forge.clone_access(repository)).url.startswith("/"), "nobody else needs the key"
        done = Check(
            repository, pull.head_sha, "EkaCI: Verdict", CheckStatus.COMPLETED, Conclusion.SUCCESS, title="Merge"
        )
        assert isinstance(await forge.publish(done, None), Published)
        assert "Merge" in bare("notes", "--ref=ekaci", "show", pull.head_sha)


async def test_a_machine_that_nobody_named_is_not_believed(bare: Bare, door: Door, tmp_path: Path) -> None:
    (door.folder / "known_hosts").write_text("")
    async with opened(door.url(bare), tmp_path / "cache", context_of(RecordingLogger()), **door.settings) as forge:
        (repository,) = await forge.repositories()
        with pytest.raises(InfrastructureFault):
            await forge.open_pull_requests(repository)


async def test_another_key_opens_nothing(bare: Bare, door: Door, tmp_path: Path) -> None:
    key = tmp_path / "another"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)  # noqa: ASYNC221 - at once
    settings = {**door.settings, "ssh_key": str(key)}
    async with opened(door.url(bare), tmp_path / "cache", context_of(RecordingLogger()), **settings) as forge:
        (repository,) = await forge.repositories()
        with pytest.raises(InfrastructureFault, match=r"Permission denied|Could not read"):
            await forge.open_pull_requests(repository)

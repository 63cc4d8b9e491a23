"""Another machine, as far as a builder can tell: a real sshd on loopback, behind it Nix with a store of its own."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import attrs
import pytest

from ekaci_builder_ssh.builder import SshBuilder
from ekaci_builder_ssh.kind import SshBuilderConfig, SshBuilderType
from ekaci_core.testing.builders import Sample, plugin_context

_PATIENCE_SECONDS = 30
_SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
ForceCommand {folder}/far-side
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
"""
# `behaviour` is a script that a test may write: what it does comes before the command that Nix asked for.
_FAR_SIDE = """\
#!/bin/sh
printf '%s\\n' "$SSH_ORIGINAL_COMMAND" >> {folder}/commands
export PATH={path} HOME={folder} NIX_CONFIG={nix_config}
unset NIX_REMOTE
[ -e {folder}/behaviour ] && . {folder}/behaviour
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


OpenBuilder = Callable[..., AbstractAsyncContextManager[SshBuilder]]
"""Opens a builder on the remote machine: the scheme, then changes of its configuration."""


@attrs.define
class RecordingLogger:
    """A logger that counts."""

    seen: list[str] = attrs.field(factory=list)

    def debug(self, event: str, /, **fields: object) -> None:
        """Leave it out."""

    def info(self, event: str, /, **fields: object) -> None:
        """Count it."""
        del fields
        self.seen.append(event)

    def warning(self, event: str, /, **fields: object) -> None:
        """Count it."""
        self.info(event, **fields)

    def events(self, name: str) -> int:
        """How often something was told."""
        return self.seen.count(name)


def _sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def require_sshd() -> str:
    """Return where sshd is; skip where it is missing, fail where it was promised."""
    found = _sshd()
    if found is not None:
        return found
    if os.environ.get("EKACI_REQUIRE_SSHD", "") not in ("", "0"):
        pytest.fail("needs sshd, and EKACI_REQUIRE_SSHD is set", pytrace=False)
    pytest.skip("needs sshd: install openssh-server")


@attrs.define
class RemoteMachine:
    """The far side.

    Attributes:
        folder: all that belongs to it.
        port: where its sshd listens.
        environment: for programs on this side that talk to it; no build may run on this side.
    """

    folder: Path
    port: int
    environment: dict[str, str]
    sshd: subprocess.Popen[bytes] | None = None

    @property
    def store(self) -> Path:
        """Its store, as a folder of this machine."""
        return self.folder / "root"

    @property
    def user_key(self) -> Path:
        """The private key that it accepts."""
        return self.folder / "user_key"

    @property
    def host_key(self) -> str:
        """Its public key."""
        return (self.folder / "host_key.pub").read_text()

    def uri(self, scheme: str) -> str:
        """Its address."""
        return f"{scheme}://127.0.0.1?remote-store={self.store}"

    def commands(self) -> list[str]:
        """What was asked of it so far."""
        file = self.folder / "commands"
        return file.read_text().splitlines() if file.exists() else []

    def built(self, sample: Sample) -> bool:
        """Whether it was this machine that built the sample: its log says so, or by the older protocol its database."""
        name = Path(sample.record.path).name
        logs = self.store / "nix/var/log/nix/drvs" / name[:2]
        return any(logs.glob(f"{name[2:]}*")) or self._made(sample.output.path)

    def _made(self, path: str | None) -> bool:
        assert path is not None
        asked = ["nix", "path-info", "--json", path, "--store", str(self.store)]
        done = subprocess.run(asked, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0 and json.loads(done.stdout)[0].get("ultimate") is True

    def has(self, path: str | None) -> bool:
        """Whether its store has a path."""
        assert path is not None
        asked = ["nix-store", "--check-validity", path, "--store", str(self.store)]
        return subprocess.run(asked, env=self.environment, capture_output=True, check=False).returncode == 0

    def behave(self, script: str) -> None:
        """Have the far side run this before what it is asked for; nothing for an honest one."""
        file = self.folder / "behaviour"
        if script:
            file.write_text(script + "\n")
        else:
            file.unlink(missing_ok=True)

    def start(self) -> None:
        """Let it answer."""
        program = require_sshd()
        with (self.folder / "sshd.log").open("wb") as log:
            command = [program, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self.sshd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._listens():
            assert self.sshd.poll() is None, (self.folder / "sshd.log").read_text()
            assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """Let it not answer any more; connections that are open stay."""
        if self.sshd is not None:
            self.sshd.terminate()
            self.sshd.wait(_PATIENCE_SECONDS)
            self.sshd = None

    def cut(self) -> None:
        """End all connections that are open, as a network does that goes."""
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if f"{self.store}".encode() in file.read_bytes() and b"\0-oBatchMode=yes\0" in file.read_bytes():
                    os.kill(int(file.parent.name), signal.SIGKILL)
            except OSError:
                continue  # it went away while we looked

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _nix_config() -> str:
    # A store in another place is only built for in a sandbox, which has what the shell of the samples needs.
    shell = [folder for folder in ("/bin", "/lib", "/lib64", "/usr") if Path(folder).exists()]
    lines = [
        "build-users-group =",
        "substituters =",
        "sandbox = true",
        f"sandbox-paths = {' '.join(shell)}",
        "experimental-features = nix-command",
        "max-jobs = 4",
    ]
    return "\n".join(lines)


def _make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@pytest.fixture(scope="session")
def remote(nix_environment: Mapping[str, str]) -> Iterator[RemoteMachine]:
    """A machine that answers."""
    require_sshd()
    if not os.access(nix_environment.get("NIX_STATE_DIR", "/nix/var/nix") + "/db", os.W_OK):
        pytest.skip("what is copied back is not signed: needs a Nix store that this user may write without a daemon")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd does not start without it
    with tempfile.TemporaryDirectory(prefix="ekaci-far-side-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        try:
            yield from _running(folder, nix_environment)
        finally:
            subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)


def _running(folder: Path, nix_environment: Mapping[str, str]) -> Iterator[RemoteMachine]:
    port = _free_port()
    for key in ("host_key", "user_key"):
        _make_key(folder / key)
    (folder / "sshd_config").write_text(_SSHD_CONFIG.format(port=port, folder=folder))
    far_side = folder / "far-side"
    far_side.write_text(
        _FAR_SIDE.format(
            folder=folder, path=shlex.quote(nix_environment["PATH"]), nix_config=shlex.quote(_nix_config())
        )
    )
    far_side.chmod(0o755)
    user = pwd.getpwuid(os.geteuid()).pw_name
    environment = {
        **nix_environment,
        "NIX_SSHOPTS": f"-p {port} -l {user}",
        "NIX_CONFIG": f"{nix_environment['NIX_CONFIG']}\nmax-jobs = 0",
    }
    machine = RemoteMachine(folder, port, environment)
    machine.start()
    try:
        yield machine
    finally:
        machine.stop()


@pytest.fixture
def log() -> RecordingLogger:
    """What the builders tell."""
    return RecordingLogger()


@pytest.fixture
def open_builder(remote: RemoteMachine, log: RecordingLogger) -> OpenBuilder:
    """Open a builder on the machine."""
    context = attrs.evolve(plugin_context(remote.environment), log=log)

    def opening(scheme: str, **changes: Any) -> AbstractAsyncContextManager[SshBuilder]:
        config = SshBuilderConfig(
            uri=remote.uri(scheme), max_jobs=4, ssh_key=str(remote.user_key), host_key=remote.host_key
        )
        return SshBuilderType().open(attrs.evolve(config, **changes), context)

    return opening

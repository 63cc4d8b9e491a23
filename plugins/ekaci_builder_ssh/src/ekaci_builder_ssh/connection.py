"""How programs of Nix reach one machine: an ``ssh`` of our own in front of the real one.

Nix starts ``ssh`` from PATH and splits NIX_SSHOPTS at blanks; a program in front of it has neither trouble with paths
that have blanks in them, nor does anything that Nix or the person adds win over what must hold: no questions, bounded
waiting, and the host key that was configured. Keys are named by their path and never read.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from ekaci_builder_ssh.machine import Machine
from ekaci_core.api import InfrastructureFault

_CONNECT_SECONDS: Final = 15
_ALIVE_SECONDS: Final = 15
_ALIVE_COUNT: Final = 4
_ALIAS: Final = "ekaci-builder"
_STDERR: Final = "EKACI_BUILDER_SSH_STDERR"
SIDE_CHANNEL: Final = "3"


@attrs.frozen
class Connection:
    """The environment of programs that talk to a machine.

    Attributes:
        environment: for programs whose standard error is read whole.
        aside: for those that have a side channel, which gets what ssh and the far side print past Nix.
    """

    environment: Mapping[str, str]

    @property
    def aside(self) -> Mapping[str, str]:
        """The environment of a program with a side channel."""
        return {**self.environment, _STDERR: SIDE_CHANNEL}


def connection_to(machine: Machine, folder: Path, environment: Mapping[str, str]) -> Connection:
    """Write what the connection needs into ``folder``, which is ours alone.

    Raises:
        InfrastructureFault: there is no ssh, the key is not there, or a program in ``folder`` cannot be run.
    """
    ssh = shutil.which("ssh", path=environment.get("PATH", os.defpath))
    if ssh is None:
        raise InfrastructureFault(
            "the program 'ssh' was not found", where="PATH", do="install it (on Debian: `apt install openssh-client`)"
        )
    if machine.ssh_key is not None and not os.access(machine.ssh_key, os.R_OK):
        raise InfrastructureFault(
            "the key for the machine is not there or cannot be read", where=machine.ssh_key, do=f"see {machine.uri}"
        )
    if machine.host_key is not None:
        (folder / "known_hosts").write_text(f"{_ALIAS} {machine.host_key}\n", encoding="utf-8")
    command = shlex.join([ssh, *ssh_options(machine, folder / "known_hosts")])
    program = folder / "ssh"
    program.write_text(f'#!/bin/sh\nexec {command} "$@" 2>&"${{{_STDERR}:-2}}"\n', encoding="utf-8")
    program.chmod(0o700)
    if not os.access(program, os.X_OK):  # Nix would pass over it, and take the real one without our options
        raise InfrastructureFault(
            "programs in the folder for temporary files cannot be run", where=str(folder), do="set TMPDIR to another"
        )
    return Connection({**environment, "PATH": f"{folder}:{environment.get('PATH', os.defpath)}"})


def ssh_options(machine: Machine, known_hosts: Path) -> list[str]:
    """Return what ssh is given first, so that it wins over whatever comes later."""
    options = [
        "-oBatchMode=yes",
        f"-oConnectTimeout={_CONNECT_SECONDS}",
        f"-oServerAliveInterval={_ALIVE_SECONDS}",
        f"-oServerAliveCountMax={_ALIVE_COUNT}",
        "-oLogLevel=ERROR",
        "-oRequestTTY=no",
    ]
    if machine.ssh_key is not None:
        options += ["-i", machine.ssh_key, "-oIdentitiesOnly=yes"]
    if machine.host_key is not None:
        options += [
            f"-oHostKeyAlias={_ALIAS}",
            f'-oUserKnownHostsFile="{known_hosts}"',
            "-oGlobalKnownHostsFile=/dev/null",
            "-oStrictHostKeyChecking=yes",
            f"-oHostKeyAlgorithms={_algorithms(machine.host_key)}",
            "-oCheckHostIP=no",
        ]
    return options


def _algorithms(host_key: str) -> str:
    kind = host_key.partition(" ")[0]
    return "rsa-sha2-512,rsa-sha2-256,ssh-rsa" if kind == "ssh-rsa" else kind

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from ekaci_builder_ssh import commands
from ekaci_builder_ssh.connection import connection_to
from ekaci_builder_ssh.kind import SshBuilderConfig, SshBuilderType, config_of, machine_of
from ekaci_builder_ssh.machine import Machine
from ekaci_builder_ssh.machines import MachinesFault
from ekaci_core.api import DiscoversBuilders, DrvPath, InfrastructureFault, StorePath, System, UsageFault
from ekaci_core.registry import load_registry
from ekaci_core.testing.builders import SilentLogger, plugin_context

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0uxbmYQ7hIbyDMDUnlMNyrNSkeHb9pDcPHfKvwXyZk"
MACHINE = Machine(
    uri="ssh-ng://far?remote-store=/x",
    systems=("x86_64-linux",),
    max_jobs=3,
    speed_factor=2,
    supported_features=("kvm",),
    mandatory_features=("big",),
    host_key=KEY,
)
DRV = DrvPath.parse("/nix/store/00000000000000000000000000000000-a.drv")


def stand_in(folder: Path) -> dict[str, str]:
    """An ssh that prints what it is given, and the environment that finds it."""
    program = folder / "ssh"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho said by ssh >&2\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "bin"
    folder.mkdir()
    return stand_in(folder)


def test_what_ssh_is_given_comes_first_and_blanks_are_no_obstacle(tmp_path: Path, programs: dict[str, str]) -> None:
    folder = tmp_path / "with a blank"
    folder.mkdir()
    key = folder / "the key"
    key.write_text("secret")
    connection = connection_to(attrs.evolve(MACHINE, ssh_key=str(key)), folder, programs)
    done = subprocess.run(["ssh", "far", "nix-daemon"], env=connection.environment, capture_output=True, check=True)
    given = done.stdout.decode().splitlines()
    assert given[-2:] == ["far", "nix-daemon"]
    assert {"-oBatchMode=yes", "-oConnectTimeout=15", "-oServerAliveInterval=15"} <= set(given)
    assert given[given.index("-i") + 1] == str(key)
    assert "-oStrictHostKeyChecking=yes" in given
    assert f'-oUserKnownHostsFile="{folder}/known_hosts"' in given
    assert (folder / "known_hosts").read_text() == f"ekaci-builder {KEY}\n"
    assert "secret" not in (folder / "ssh").read_text() + done.stdout.decode()
    assert done.stderr == b"said by ssh\n"


def test_what_ssh_prints_goes_to_the_side_channel_where_there_is_one(tmp_path: Path, programs: dict[str, str]) -> None:
    connection = connection_to(Machine("ssh://far"), tmp_path, programs)
    command = ["sh", "-c", "ssh far 3>&1 >/dev/null"]
    done = subprocess.run(command, env=connection.aside, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"said by ssh\n", b"")
    assert "StrictHostKeyChecking" not in (tmp_path / "ssh").read_text(), "what ssh knows of hosts counts"


def test_a_key_that_is_not_there_is_said(tmp_path: Path, programs: dict[str, str]) -> None:
    with pytest.raises(InfrastructureFault, match="key for the machine") as raised:
        connection_to(attrs.evolve(MACHINE, ssh_key=str(tmp_path / "none")), tmp_path, programs)
    assert raised.value.where == str(tmp_path / "none")


def test_without_ssh_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFault, match="'ssh' was not found"):
        connection_to(MACHINE, tmp_path, {"PATH": str(tmp_path)})


ON_NOEXEC = """
import os, sys
from pathlib import Path
from ekaci_builder_ssh.connection import connection_to
from ekaci_builder_ssh.machine import Machine
from ekaci_core.api import InfrastructureFault
try:
    connection_to(Machine("ssh://far"), Path(sys.argv[1]), os.environ)
except InfrastructureFault as fault:
    print(fault)
"""


def test_a_folder_that_runs_no_programs_is_said(tmp_path: Path, programs: dict[str, str]) -> None:
    folder = tmp_path / "noexec"
    folder.mkdir()
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    mounted = [*unshare, "sh", "-c", 'mount -t tmpfs -o noexec none "$0" && exec "$@"', str(folder)]
    if subprocess.run([*mounted, "true"], check=False).returncode != 0:
        pytest.skip("this machine allows no file system of a test's own")
    done = subprocess.run(
        [*mounted, sys.executable, "-c", ON_NOEXEC, str(folder)],
        env=programs,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be run" in done.stdout


def test_the_plugin_is_admitted() -> None:
    registry = load_registry({}, SilentLogger())
    assert registry.builder_type("ssh").config is SshBuilderConfig
    assert isinstance(registry.builder_type("ssh"), DiscoversBuilders)


def test_many_paths_are_copied_in_several_commands() -> None:
    paths = [StorePath(f"/nix/store/{number:032}-a") for number in range(4001)]
    copies = list(commands.copy_there(MACHINE, paths))
    assert [path for copy in copies for path in copy if path.startswith("/nix")] == paths
    assert len(copies) == 3
    assert list(commands.copy_back(MACHINE, [])) == []


def test_the_hook_is_given_one_machine_and_no_job_here() -> None:
    arguments = commands.builds_by_hook(attrs.evolve(MACHINE, uri="ssh://far", ssh_key="/key"), ["b-linux", "a-linux"])
    line = arguments[arguments.index("builders") + 1]
    assert line.split()[:7] == ["ssh://far", "a-linux,b-linux", "/key", "3", "1", "big,kvm", "-"]
    assert arguments[-2:] == ["max-jobs", "0"]
    assert commands.builds_there(MACHINE) == ["--store", MACHINE.uri]
    blank = commands.builds_by_hook(attrs.evolve(MACHINE, ssh_key="/the key"), ["a-linux"])
    assert blank[2].split()[2] == "-", "a blank would move all fields"


def test_a_machine_and_its_configuration_are_the_same() -> None:
    assert machine_of(config_of(MACHINE)) == MACHINE
    assert machine_of(SshBuilderConfig("far")) == Machine("ssh://far")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"uri": "https://far"}, "builders.uri"),
        ({"uri": ""}, "builders.uri"),
        ({"uri": "ssh://far?a=b;ssh://other"}, "builders.uri"),
        ({"uri": "ssh://far other"}, "builders.uri"),
        ({"host_key": "AAAA"}, "builders.host_key"),
        ({"max_jobs": -1}, "builders.max_jobs"),
        ({"speed_factor": 0}, "builders.speed_factor"),
        ({"speed_factor": float("nan")}, "builders.speed_factor"),
    ],
)
def test_a_configuration_of_no_machine_names_the_key(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageFault) as raised:
        machine_of(attrs.evolve(config_of(MACHINE), **changes))
    assert raised.value.where == where
    assert raised.value.do


@pytest.mark.anyio
async def test_what_is_configured_is_what_it_says(programs: dict[str, str]) -> None:
    async with SshBuilderType().open(config_of(MACHINE), plugin_context(programs)) as builder:
        assert builder.name == "ssh-ng://far"
        assert builder.systems == {System("x86_64-linux")}
        assert builder.features == {"kvm", "big"}
        assert builder.mandatory_features == {"big"}
        assert (builder.slots, builder.speed_factor, builder.is_local) == (3, 2, False)


@pytest.mark.nix
@pytest.mark.anyio
async def test_machines_of_nixs_own_configuration_are_found(nix_environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "machines"
    file.write_text("far-1 x86_64-linux - 4 # the first\nfar-2\n")
    environment = {
        **nix_environment,
        "NIX_CONFIG": f"{nix_environment['NIX_CONFIG']}\nbuilders = @{file} ; ssh-ng://far-3",
    }
    context = plugin_context(environment)
    found = await SshBuilderType().discover(context)
    assert [(each.uri, each.max_jobs) for each in found] == [
        ("ssh://far-1", 4),
        ("ssh://far-2", 1),
        ("ssh-ng://far-3", 1),
    ]
    async with SshBuilderType().open(found[1], context) as builder:
        assert {system.partition("-")[2] for system in builder.systems} <= {"linux", "darwin"}
        assert builder.systems
    file.write_text("far - - x\n")
    with pytest.raises(MachinesFault) as raised:
        await SshBuilderType().discover(context)
    assert raised.value.where == f"{file}:1"

"""Probing Nix: a real one, and stand-ins that answer as old, broken and unreachable ones do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.environment import nix_environment as made_for_nix
from ekaci_core.nix.path_info import invalid_paths
from ekaci_core.nix.versions import Access, Flavour, probe

pytestmark = pytest.mark.anyio

OLD_SETTINGS = '{"system": {"value": "riscv64-linux"}, "store": {"value": "daemon"}}'
NEW_SETTINGS = '{"system": {"value": "aarch64-linux"}, "store": {"value": "local"}}'


def stand_in(folder: Path, name: str, cases: Mapping[str, str]) -> None:
    """Write a program that answers the arguments it knows, and fails on all others as Nix does."""
    branches = "".join(f"{pattern!r})\n{commands}\n;;\n" for pattern, commands in cases.items())
    script = (
        f'#!/bin/sh\ncase "$*" in\n{branches}*) echo "error: \'$*\' is not a recognised command" >&2; exit 1;;\nesac\n'
    )
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


PATH = DrvPath("/nix/store/" + "1" * 32 + "-wanted.drv")
PROBE = "--check-validity --print-invalid /nix/store/" + "0" * 32 + "-probe"


def environment(
    folder: Path,
    version: str,
    settings: Mapping[str, str] | None = None,
    store: Mapping[str, str] | None = None,
) -> dict[str, str]:
    folder.joinpath("bin").mkdir()
    cases = {"--version": f"echo '{version}'"} | {
        command: f"echo '{answer}'" for command, answer in (settings or {"show-config --json": OLD_SETTINGS}).items()
    }
    stand_in(folder / "bin", "nix", cases)
    stand_in(folder / "bin", "nix-store", store or {PROBE: "echo not there"})
    return {"PATH": f"{folder}/bin"}


@pytest.mark.nix
async def test_a_real_nix(nix_environment: dict[str, str]) -> None:
    nix = await probe(made_for_nix(nix_environment))
    assert nix.program.name == "nix"
    assert nix.version.number >= (2, 8)
    assert nix.settings.system
    assert nix.settings.substituters == ()


async def test_settings_of_an_older_nix(tmp_path: Path) -> None:
    nix = await probe(environment(tmp_path, "nix (Nix) 2.8.0"))
    assert (nix.program, nix.version.flavour) == (tmp_path / "bin/nix", Flavour.NIX)
    assert (nix.settings.system, nix.access) == ("riscv64-linux", Access.DAEMON)


@pytest.mark.parametrize(
    ("version", "command"),
    [
        ("nix (Nix) 2.26.3", "config show --json"),
        ("nix (Lix, like Nix) 2.91.0", "show-config --json"),
        ("nix (Nix) 2.19.0", "config show --json"),
    ],
)
async def test_settings_are_found_under_either_name(tmp_path: Path, version: str, command: str) -> None:
    nix = await probe(environment(tmp_path, version, {command: NEW_SETTINGS}))
    assert (nix.settings.system, nix.access) == ("aarch64-linux", Access.DIRECT)


async def test_no_nix(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFault, match="Nix is not installed: the program 'nix'") as raised:
        await probe({"PATH": str(tmp_path)})
    assert raised.value.exit_status == 3
    assert raised.value.do is not None
    assert "apt install nix-bin" in raised.value.do


async def test_half_a_nix(tmp_path: Path) -> None:
    surroundings = environment(tmp_path, "nix (Nix) 2.8.0")
    (tmp_path / "bin/nix-store").unlink()
    with pytest.raises(InfrastructureFault, match="the program 'nix-store' was not found"):
        await probe(surroundings)


async def test_a_nix_too_old(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFault, match=r"Nix 2\.3\.16 is too old") as raised:
        await probe(environment(tmp_path, "nix (Nix) 2.3.16"))
    assert raised.value.do == "install Nix 2.8 or newer"


async def test_settings_under_neither_name(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFault, match="'show-config --json' is not a recognised command"):
        await probe(environment(tmp_path, "nix (Nix) 2.8.0", {"other": "x"}))


async def test_a_daemon_that_does_not_answer(tmp_path: Path) -> None:
    refusal = "echo \"error: cannot connect to socket at '/run/socket': Connection refused\" >&2; exit 1"
    with pytest.raises(InfrastructureFault, match="the Nix daemon cannot be reached: cannot connect") as raised:
        await probe(environment(tmp_path, "nix (Nix) 2.8.0", store={PROBE: refusal}) | {"NIX_REMOTE": "daemon"})
    assert raised.value.exit_status == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's builds need build users")
async def test_root_without_build_users(tmp_path: Path) -> None:
    settings = (
        '{"system": {"value": "riscv64-linux"}, "store": {"value": "local"},'
        ' "build-users-group": {"value": "no-such-group"}}'
    )
    with pytest.raises(InfrastructureFault, match="the group 'no-such-group' of Nix's build users does not exist"):
        await probe(environment(tmp_path, "nix (Nix) 2.8.0", {"show-config --json": settings}))


async def test_a_store_that_fails_is_no_plan_and_no_validity(tmp_path: Path) -> None:
    surroundings = environment(tmp_path, "nix (Nix) 2.8.0", store={"none": "true"})
    with pytest.raises(InfrastructureFault, match=r"could not plan the builds: .*is not a recognised command"):
        await build_plan([PATH], surroundings)
    with pytest.raises(InfrastructureFault, match=r"could not check the store: .*is not a recognised command"):
        await invalid_paths([PATH], surroundings)


async def test_a_long_plan_is_read_to_its_end(tmp_path: Path) -> None:
    listed = "i=0; echo 'these 9999 derivations will be built:' >&2; while [ $i -lt 3000 ]; do i=$((i + 1)); "
    listed += f'printf "  /nix/store/{"0" * 28}%04d-x.drv\\n" $i >&2; done'
    surroundings = environment(tmp_path, "nix (Nix) 2.8.0", store={f"--realise --dry-run {PATH}": listed})
    plan = await build_plan([PATH], surroundings)
    assert len(plan.to_build) == 3000
    assert not plan.to_fetch | plan.unknown

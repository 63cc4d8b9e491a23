from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import System
from ekaci_core.nix.settings import NixSettings
from ekaci_core.nix.versions import (
    Access,
    Flavour,
    NixVersion,
    check_build_users,
    store_access,
    store_unreachable,
)

RECORDED = Path(__file__).parents[2] / "data/nix"
LINUX = System("x86_64-linux")


@pytest.mark.parametrize(
    ("line", "version", "shown"),
    [
        ("nix (Nix) 2.8.0\n", NixVersion(Flavour.NIX, 2, 8, 0, "2.8.0"), "Nix 2.8.0"),
        ("nix (Nix) 2.19.0pre20231024_abc", NixVersion(Flavour.NIX, 2, 19, 0, "2.19.0pre20231024_abc"), None),
        ("nix (Nix) 2.4pre", NixVersion(Flavour.NIX, 2, 4, 0, "2.4pre"), None),
        ("nix-store (Nix) 3.0.1", NixVersion(Flavour.NIX, 3, 0, 1, "3.0.1"), None),
        ("nix (Lix, like Nix) 2.93.0", NixVersion(Flavour.LIX, 2, 93, 0, "2.93.0"), "Lix 2.93.0"),
        ("nix (Lix, like Nix) 2.90.0-rc1", NixVersion(Flavour.LIX, 2, 90, 0, "2.90.0-rc1"), None),
        (
            "warning: something\nnix (Determinate Nix 3.5.2) 2.28.3",
            NixVersion(Flavour.DETERMINATE, 2, 28, 3, "2.28.3"),
            "Determinate Nix 2.28.3",
        ),
    ],
)
def test_versions_of_each_flavour(line: str, version: NixVersion, shown: str | None) -> None:
    assert NixVersion.parse(line) == version
    assert shown in (None, str(version))


@pytest.mark.parametrize("name", ["2.8.0", "2.26.3"])
def test_recorded_versions(name: str) -> None:
    assert NixVersion.parse((RECORDED / name / "version.txt").read_text()).text == name


@pytest.mark.parametrize("line", ["", "nix", "nix (Nix)", "bash 5.2", "nix (Nix) two"])
def test_anything_else_is_a_fault(line: str) -> None:
    with pytest.raises(InfrastructureFault, match="not a version of Nix"):
        NixVersion.parse(line)


@pytest.mark.parametrize(
    ("store", "writable", "access"),
    [
        ("auto", True, Access.DIRECT),
        ("auto", False, Access.DAEMON),
        ("", False, Access.DAEMON),
        ("daemon", True, Access.DAEMON),
        ("unix:///run/nix.sock", True, Access.DAEMON),
        ("ssh-ng://builder.example.org", True, Access.DAEMON),
        ("local", False, Access.DIRECT),
        ("/chroot", False, Access.DIRECT),
    ],
)
def test_the_store_is_reached_as_nix_would(store: str, writable: bool, access: Access) -> None:  # noqa: FBT001 - a table
    assert store_access(store, state_is_writable=writable) is access


@pytest.mark.parametrize(
    ("stderr", "what", "do"),
    [
        (
            "warning: x\nerror: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused\n",
            "the Nix daemon cannot be reached: cannot connect to socket",
            "systemctl start nix-daemon",
        ),
        ("error: creating directory '/nix/var': Permission denied", "the Nix store cannot be written", "/nix"),
        ("error: SQLite database is busy", "the Nix store cannot be opened: SQLite database is busy", "nix-store"),
        ("Segmentation fault", "the Nix store cannot be opened: Segmentation fault", "nix-store"),
        ("", "it said nothing", "nix-store"),
    ],
)
def test_why_the_store_cannot_be_reached(stderr: str, what: str, do: str) -> None:
    fault = store_unreachable(stderr)
    assert what in fault.what
    assert fault.do is not None
    assert do in fault.do


@pytest.mark.parametrize(
    ("settings", "members"),
    [
        (NixSettings(LINUX), None),
        (NixSettings(LINUX, build_users_group="nixbld"), ("nixbld1",)),
        (NixSettings(LINUX, build_users_group="nixbld", auto_allocate_uids=True), None),
    ],
)
def test_root_may_build(settings: NixSettings, members: tuple[str, ...] | None) -> None:
    check_build_users(settings, members)


@pytest.mark.parametrize(("members", "problem"), [(None, "does not exist"), ((), "has no members")])
def test_root_may_not_build_without_build_users(members: tuple[str, ...] | None, problem: str) -> None:
    with pytest.raises(InfrastructureFault, match=f"the group 'nixbld' of Nix's build users {problem}") as raised:
        check_build_users(NixSettings(LINUX, build_users_group="nixbld"), members)
    assert raised.value.do is not None
    assert "build-users-group =" in raised.value.do

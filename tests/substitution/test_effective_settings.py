"""Whose settings count: one's own, or those of the daemon that fetches."""

from __future__ import annotations

import getpass
from pathlib import Path

import attrs
import pytest

from ekaci_core.nix.environment import nix_environment as environment_for_nix
from ekaci_core.nix.versions import Access, probe
from ekaci_core.server.substituting import effective_settings

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

OWN = "substituters = https://mine.invalid https://known.invalid\ntrusted-public-keys = mine:AAAA"


def surroundings(nix_environment: dict[str, str], folder: Path, *trusted: str) -> dict[str, str]:
    """Settings of a machine in a file, and others of a person in the environment and in a file."""
    (folder / "machine").mkdir()
    (folder / "machine" / "nix.conf").write_text(
        "substituters = https://own.invalid\ntrusted-substituters = https://known.invalid\n"
        f"trusted-public-keys = own:AAAA\ntrusted-users = {' '.join(trusted)}\n"
    )
    (folder / "person.conf").write_text("fallback = true\n")
    return environment_for_nix(
        nix_environment
        | {
            "NIX_CONF_DIR": str(folder / "machine"),
            "NIX_USER_CONF_FILES": str(folder / "person.conf"),
            "NIX_CONFIG": f"{nix_environment['NIX_CONFIG']}\n{OWN}",
        }
    )


async def test_who_reaches_the_store_directly_decides(nix_environment: dict[str, str], tmp_path: Path) -> None:
    environment = surroundings(nix_environment, tmp_path, "nobody")
    nix = attrs.evolve(await probe(environment), access=Access.DIRECT)
    settings = await effective_settings(nix, environment)
    assert settings == nix.settings.substitution
    assert settings.substituters == ("https://mine.invalid", "https://known.invalid")
    assert (settings.trusted_public_keys, settings.fallback) == (("mine:AAAA",), True)


async def test_whom_the_daemon_trusts_decides(nix_environment: dict[str, str], tmp_path: Path) -> None:
    environment = surroundings(nix_environment, tmp_path, "nobody", getpass.getuser())
    nix = attrs.evolve(await probe(environment), access=Access.DAEMON)
    assert await effective_settings(nix, environment) == nix.settings.substitution


async def test_for_others_the_daemon_decides(nix_environment: dict[str, str], tmp_path: Path) -> None:
    environment = surroundings(nix_environment, tmp_path, "nobody")
    nix = attrs.evolve(await probe(environment), access=Access.DAEMON)
    settings = await effective_settings(nix, environment)
    assert settings.substituters == ("https://known.invalid",)
    assert (settings.trusted_public_keys, settings.fallback) == (("own:AAAA",), False)

"""Credentials of a unit: real directories, in every form that the documents show."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from ekaci_core.api import Lease, PluginContext, UsageFault
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.config.credential_sources import SystemdCredentialSettings as Known
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.credentials import CredentialConformance, CredentialLaboratory
from ekaci_credentials_systemd import plugin
from ekaci_credentials_systemd.source import SystemdCredentialSettings, SystemdCredentialType

pytestmark = pytest.mark.anyio

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIcanary\nabc==\n-----END RSA PRIVATE KEY-----"


def context(folder: Path | None) -> PluginContext:
    environment = {} if folder is None else {"CREDENTIALS_DIRECTORY": str(folder)}
    return PluginContext(clock=RealClock(), log=SilentLogger(), environment=environment, nix=NixCommands({}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As systemd makes it."""
    made = tmp_path / "eka-ci.service"
    made.mkdir(mode=0o700)
    return made


def put(folder: Path, name: str, content: bytes | str) -> None:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o400)


async def lease(folder: Path | None, name: str) -> Lease:
    async with SystemdCredentialType().open(SystemdCredentialSettings(name), context(folder)) as source:
        return await source.resolve()


def shown(lease: Lease) -> Mapping[str, str]:
    return {name: secret.reveal() for name, secret in lease.secrets.items()}


class TestSystemdCredential(CredentialConformance):
    @pytest.fixture
    def laboratory(self, folder: Path) -> CredentialLaboratory:
        put(folder, "s3-creds", "A=canary-one\nB=canary-two\n")
        put(folder, "broken", '{"A": "canary-one"')
        kind = SystemdCredentialType()
        return CredentialLaboratory(
            kind.open(SystemdCredentialSettings("s3-creds"), context(folder)),
            {"A": "canary-one", "B": "canary-two"},
            kind.open(SystemdCredentialSettings("broken"), context(folder)),
            ("systemd-credential", "broken", "JSON"),
        )


def test_ekaci_register_credential_types_gives_the_units_credentials() -> None:
    (kind,) = plugin.ekaci_register_credential_types()
    assert kind.name == "systemd-credential"
    assert [each.name for each in attrs.fields(kind.config)] == [each.name for each in attrs.fields(Known)]


@pytest.mark.parametrize(
    ("content", "secrets"),
    [
        (json.dumps({"GITHUB_APP_ID": 123, "GITHUB_APP_PRIVATE_KEY": PEM}), {"GITHUB_APP_ID": "123"}),
        (f"GITHUB_APP_ID=123\nGITHUB_APP_PRIVATE_KEY={PEM}\n", {"GITHUB_APP_ID": "123"}),
        ("AWS_ACCESS_KEY_ID=AKIA\nAWS_SECRET_ACCESS_KEY=wJal", {"AWS_ACCESS_KEY_ID": "AKIA"}),
        ("  just-a-token\n", {"secret": "just-a-token"}),
        ("YWJjZA==\n", {"secret": "YWJjZA=="}),
        ("YWJjZGU=", {"secret": "YWJjZGU="}),
        (PEM + "\n", {"secret": PEM}),
        ("two words", {"secret": "two words"}),
    ],
)
async def test_every_form(folder: Path, content: str, secrets: dict[str, str]) -> None:
    put(folder, "secret", content)
    found = shown(await lease(folder, "secret"))
    assert {name: found[name] for name in secrets} == secrets
    assert ("secret" in found) == ("secret" in secrets)
    assert found.get("GITHUB_APP_PRIVATE_KEY", PEM) == PEM


async def test_a_credential_that_is_replaced_is_read_anew(folder: Path) -> None:
    put(folder, "token", "old")
    async with SystemdCredentialType().open(SystemdCredentialSettings("token"), context(folder)) as source:
        assert shown(await source.resolve()) == {"token": "old"}
        (folder / "token").unlink()
        put(folder, "token", "new")
        assert shown(await source.resolve()) == {"token": "new"}


async def test_what_cannot_be_used_is_told_without_its_text(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    put(folder, "empty", " \n")
    put(folder, "binary", b"\xffcanary")
    put(folder, "large", b"x" * (1024 * 1024 + 1))
    wrong = {
        "none": "cannot be read: No such file",
        "pipe": "not a file",
        "folder": "Is a directory",
        "empty": "it is empty",
        "binary": "no text",
        "large": "larger than",
    }
    for name, words in wrong.items():
        with pytest.raises(UsageFault, match=words) as raised:
            await lease(folder, name)
        assert raised.value.do
        assert name in str(raised.value.where)
        assert "canary" not in f"{raised.value!r} {raised.value.do} {raised.value.__cause__!r}"


async def test_a_server_that_systemd_did_not_start() -> None:
    with pytest.raises(UsageFault, match="CREDENTIALS_DIRECTORY is not set") as raised:
        await lease(None, "s3-creds")
    assert "LoadCredential=s3-creds:" in str(raised.value.do)


@pytest.mark.parametrize("name", ["", ".", "..", "../shadow", "a/b", "a\0b"])
async def test_a_name_leads_nowhere_else(folder: Path, name: str) -> None:
    with pytest.raises(UsageFault, match="the name of no credential"):
        await lease(folder, name)

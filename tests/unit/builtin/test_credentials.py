"""Sources that need nothing but this machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.api import CredentialType, Lease, NixPrograms, PluginContext, UsageFault
from ekaci_core.builtin import plugin
from ekaci_core.builtin.credentials import CachixTokenType, EnvType, FileType, GithubAppKeyFileType, NoneType
from ekaci_core.builtin.credentials.key_values import NotKeyValues, parse_key_values
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.config.credential_sources import (
    CachixTokenSettings,
    EnvSettings,
    FileSettings,
    GithubAppKeyFileSettings,
    NoSettings,
)
from ekaci_core.testing.builders import RealClock, SilentLogger

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIcanary\nabc==\n-----END RSA PRIVATE KEY-----"


def context(**environment: str) -> PluginContext:
    nix: NixPrograms = NixCommands({})
    return PluginContext(clock=RealClock(), log=SilentLogger(), environment=environment, nix=nix)


async def resolved(kind: CredentialType, config: object, **environment: str) -> Lease:
    async with kind.open(config, context(**environment)) as source:
        return await source.resolve()


def shown(lease: Lease) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in lease.secrets.items()}


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_ekaci_register_credential_types_gives_the_sources_of_this_machine() -> None:
    names = {each.name for each in plugin.ekaci_register_credential_types()}
    assert names == {"env", "file", "none", "cachix-token", "github-app-key-file"}
    assert all(attrs.has(each.config) for each in plugin.ekaci_register_credential_types())


async def test_variables_under_their_names() -> None:
    lease = await resolved(EnvType(), EnvSettings(("A", "B")), A="one", B="two", C="three")
    assert shown(lease) == {"A": "one", "B": "two"}
    assert lease.expires_at is None
    assert "two" not in f"{lease!r}"


async def test_every_variable_that_is_missing_is_named() -> None:
    with pytest.raises(UsageFault, match="B, D") as raised:
        await resolved(EnvType(), EnvSettings(("A", "B", "D")), A="canary", B="")
    assert "canary" not in f"{raised.value!r}{raised.value.do}"


async def test_a_token_for_cachix_has_the_clients_name() -> None:
    lease = await resolved(CachixTokenType(), CachixTokenSettings("MINE"), MINE="token")
    assert shown(lease) == {"CACHIX_AUTH_TOKEN": "token"}


async def test_nothing_is_an_empty_lease() -> None:
    assert shown(await resolved(NoneType(), NoSettings())) == {}


async def test_a_key_from_its_own_file(tmp_path: Path) -> None:
    path = private(tmp_path / "key.pem", PEM)
    lease = await resolved(GithubAppKeyFileType(), GithubAppKeyFileSettings("MY_ID", path), MY_ID="123")
    assert shown(lease) == {"GITHUB_APP_ID": "123", "GITHUB_APP_PRIVATE_KEY": PEM}


@pytest.mark.parametrize(
    "text",
    [
        '{{"GITHUB_APP_ID": 123, "GITHUB_APP_PRIVATE_KEY": "{}"}}'.format(PEM.replace("\n", "\\n")),
        f"# for the server\nGITHUB_APP_ID=123\n\nGITHUB_APP_PRIVATE_KEY={PEM}\n",
        f"export GITHUB_APP_ID='123'\nGITHUB_APP_PRIVATE_KEY=\"{PEM}\"\n",
        'GITHUB_APP_ID = 123\r\nGITHUB_APP_PRIVATE_KEY="{}"\r\n'.format(PEM.replace("\n", "\\n")),
    ],
)
async def test_a_file_in_every_form_with_a_key_of_several_lines(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(text.encode())
    path.chmod(0o400)
    assert shown(await resolved(FileType(), FileSettings(path))) == {
        "GITHUB_APP_ID": "123",
        "GITHUB_APP_PRIVATE_KEY": PEM,
    }


async def test_a_file_is_read_again_each_time(tmp_path: Path) -> None:
    path = private(tmp_path / "secrets", "TOKEN=old")
    async with FileType().open(FileSettings(path), context()) as source:
        assert shown(await source.resolve()) == {"TOKEN": "old"}
        path.write_text("TOKEN=new")
        assert shown(await source.resolve()) == {"TOKEN": "new"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o660])
async def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "secrets", "TOKEN=canary")
    path.chmod(mode)
    with pytest.raises(UsageFault, match=f"mode {mode:04o}") as raised:
        await resolved(FileType(), FileSettings(path))
    assert "chmod 600" in (raised.value.do or "")
    assert shown(await resolved(FileType(), FileSettings(path, allow_shared=True))) == {"TOKEN": "canary"}


async def test_what_is_no_file_of_secrets_is_told_without_its_text(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="cannot be read"):
        await resolved(FileType(), FileSettings(tmp_path / "none"))
    with pytest.raises(UsageFault, match="not a file"):
        await resolved(FileType(), FileSettings(Path(os.devnull), allow_shared=True))
    for text in (
        "canary without an equals sign",
        '{"A": "canary"',
        '{"A": ["canary"]}',
        "KEY='canary",
        f"K={PEM[:40]}",
    ):
        with pytest.raises(UsageFault) as raised:
            await resolved(FileType(), FileSettings(private(tmp_path / "wrong", text)))
        assert "canary" not in f"{raised.value!r} {raised.value} {raised.value.do} {raised.value.__cause__!r}"


@given(st.text())
def test_no_text_makes_the_parser_raise_anything_else(text: str) -> None:
    with contextlib.suppress(NotKeyValues):
        parse_key_values(text)

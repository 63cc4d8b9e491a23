"""Secrets from Vault: every spelling of a path, every way to log in, and every refusal in words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.plugins.ekaci_credentials_vault.conftest import REAL, Vault, context

from ekaci_core.api import Lease, UsageFault
from ekaci_core.builtin.addresses import resolve_by_system
from ekaci_core.config.credential_sources import VaultSettings as Known
from ekaci_core.testing.credentials import CredentialConformance, CredentialLaboratory
from ekaci_credentials_vault import plugin
from ekaci_credentials_vault.settings import VaultSettings
from ekaci_credentials_vault.source import VaultType

pytestmark = pytest.mark.anyio

SECRETS = {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-key"}


async def lease(settings: VaultSettings, **environment: str) -> Lease:
    async with VaultType().open(settings, context(resolve_by_system, **environment)) as source:
        return await source.resolve()


def shown(lease: Lease) -> Mapping[str, str]:
    return {name: secret.reveal() for name, secret in lease.secrets.items()}


class TestVault(CredentialConformance):
    @pytest.fixture
    def laboratory(self, vault: Vault) -> CredentialLaboratory:
        vault.put("eka-ci/s3", SECRETS)
        settings = VaultSettings(vault.address, f"{vault.two}/data/eka-ci/s3")
        good = VaultType().open(settings, context(VAULT_TOKEN=vault.token(f"{vault.two}/data/eka-ci/*")))
        bad = VaultType().open(settings, context(VAULT_TOKEN=vault.token(f"{vault.two}/data/other/*")))
        return CredentialLaboratory(good, SECRETS, bad, ("eka-ci/s3", "permission denied", "vault kv get"))


def test_ekaci_register_credential_types_gives_vault_with_the_settings_that_the_core_knows() -> None:
    (kind,) = plugin.ekaci_register_credential_types()
    assert kind.name == "vault"
    ours, known = attrs.fields_dict(kind.config), attrs.fields_dict(Known)
    assert list(ours) == list(known)
    assert [each.default for each in ours.values()] == [each.default for each in known.values()]


@pytest.mark.parametrize("spelling", ["{0}/data/eka-ci/s3", "{0}/eka-ci/s3", "/{0}/eka-ci/s3/"])
async def test_every_spelling_of_a_path_in_the_second_version(vault: Vault, spelling: str) -> None:
    vault.put("eka-ci/s3", SECRETS)
    token = vault.token(f"{vault.two}/data/eka-ci/*")
    path = spelling.format(vault.two)
    assert shown(await lease(VaultSettings(vault.address, path), VAULT_TOKEN=token)) == SECRETS
    for written in ("eka-ci/s3", path.strip("/")):
        settings = VaultSettings(vault.address, written, mount=vault.two)
        assert shown(await lease(settings, VAULT_TOKEN=token)) == SECRETS
        assert shown(await lease(attrs.evolve(settings, kv_version=2), VAULT_TOKEN=token)) == SECRETS


@pytest.mark.parametrize("spelling", ["eka-ci/app", "secret/eka-ci/app", "secret/data/eka-ci/app"])
async def test_the_mount_that_vault_comes_with(vault: Vault, spelling: str) -> None:
    vault.put("eka-ci/app", {"GITHUB_APP_ID": "123456"}, mount="secret")
    token = vault.token("secret/data/eka-ci/*")
    assert shown(await lease(VaultSettings(vault.address, spelling), VAULT_TOKEN=token)) == {"GITHUB_APP_ID": "123456"}


async def test_the_first_version_and_values_that_are_numbers(vault: Vault) -> None:
    vault.put_one("data/s3", {"ID": 7, "KEY": "canary"})
    token = vault.token(f"{vault.one}/*")
    for settings in (
        VaultSettings(vault.address, f"{vault.one}/data/s3"),
        VaultSettings(vault.address, "data/s3", mount=vault.one),
        VaultSettings(vault.address, f"{vault.one}/data/s3", mount=vault.one, kv_version=1),
    ):
        assert shown(await lease(settings, VAULT_TOKEN=token)) == {"ID": "7", "KEY": "canary"}


async def test_a_secret_below_one_that_is_called_data(vault: Vault) -> None:
    vault.put("data/s3", SECRETS)
    token = vault.token(f"{vault.two}/data/*")
    settings = VaultSettings(vault.address, f"{vault.two}/data/data/s3")
    assert shown(await lease(settings, VAULT_TOKEN=token)) == SECRETS


async def test_a_new_value_is_seen_at_once(vault: Vault) -> None:
    vault.put("s3", {"KEY": "old"})
    settings = VaultSettings(vault.address, f"{vault.two}/s3")
    async with VaultType().open(settings, context(VAULT_TOKEN=vault.token(f"{vault.two}/data/*"))) as source:
        assert shown(await source.resolve()) == {"KEY": "old"}
        vault.put("s3", {"KEY": "new"})
        assert shown(await source.resolve()) == {"KEY": "new"}


async def test_a_token_from_a_file_that_is_replaced(vault: Vault, tmp_path: Path) -> None:
    vault.put("s3", SECRETS)
    file = tmp_path / "token"
    file.write_text("hvs.not-yet\n")
    settings = VaultSettings(vault.address, f"{vault.two}/s3", token_file=file)
    async with VaultType().open(settings, context()) as source:
        with pytest.raises(UsageFault, match="permission denied"):
            await source.resolve()
        file.write_text(vault.token(f"{vault.two}/data/*") + "\n")
        assert shown(await source.resolve()) == SECRETS


async def test_an_app_role(vault: Vault, tmp_path: Path) -> None:
    vault.put("s3", SECRETS)
    mount = vault.method("approle")
    role = vault.admin.auth.approle
    role.create_or_update_approle("ci", token_policies=[vault.policy(f"{vault.two}/data/*")], mount_point=mount)
    role_id = role.read_role_id("ci", mount_point=mount)["data"]["role_id"]
    secret_id = role.generate_secret_id("ci", mount_point=mount)["data"]["secret_id"]
    settings = VaultSettings(
        vault.address,
        f"{vault.two}/s3",
        auth="approle",
        auth_mount=mount,
        role_id=role_id,
        secret_id_env="MY_SECRET_ID",  # noqa: S106 - a name
    )
    assert shown(await lease(settings, MY_SECRET_ID=secret_id)) == SECRETS
    (tmp_path / "id").write_text(f"{secret_id}\n")
    assert shown(await lease(attrs.evolve(settings, secret_id_file=tmp_path / "id"))) == SECRETS
    with pytest.raises(UsageFault, match="log in by approle") as raised:
        await lease(settings, MY_SECRET_ID="canary-wrong")  # noqa: S106 - a canary
    assert "canary" not in f"{raised.value!r} {raised.value} {raised.value.do} {raised.value.__cause__!r}"
    with pytest.raises(UsageFault, match="Vault secret id environment variable MY_SECRET_ID not found"):
        await lease(settings)


async def test_a_jwt(vault: Vault, tmp_path: Path) -> None:
    vault.put("s3", SECRETS)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    mount = vault.method("jwt")
    vault.admin.auth.jwt.configure(jwt_validation_pubkeys=[public.decode()], path=mount)
    vault.admin.auth.jwt.create_role(
        "ci",
        user_claim="sub",
        bound_audiences=["vault"],
        allowed_redirect_uris=[],
        role_type="jwt",
        token_policies=[vault.policy(f"{vault.two}/data/*")],
        path=mount,
    )
    claims: dict[str, Any] = {"sub": "eka-ci", "aud": "vault", "iat": int(time.time()), "exp": int(time.time()) + 300}
    file = tmp_path / "jwt"
    file.write_text(jwt.encode(claims, key, algorithm="RS256"))
    settings = VaultSettings(vault.address, f"{vault.two}/s3", auth="jwt", auth_mount=mount, role="ci", jwt_file=file)
    assert shown(await lease(settings)) == SECRETS
    file.write_text(jwt.encode({**claims, "aud": "canary"}, key, algorithm="RS256"))
    with pytest.raises(UsageFault, match="log in by jwt"):
        await lease(settings)


@pytest.mark.skipif(bool(REAL), reason="a real Vault asks a real Kubernetes")
async def test_a_pod(vault: Vault, tmp_path: Path) -> None:
    vault.put("s3", SECRETS)
    mount = vault.method("kubernetes")
    policy = vault.policy(f"{vault.two}/data/*")
    vault.admin.adapter.post(f"/v1/auth/{mount}/role/ci", json={"token_policies": [policy]})
    (tmp_path / "token").write_text("canary-of-the-pod")
    settings = VaultSettings(
        vault.address, f"{vault.two}/s3", auth="kubernetes", auth_mount=mount, role="ci", jwt_file=tmp_path / "token"
    )
    assert shown(await lease(settings)) == SECRETS
    with pytest.raises(UsageFault, match="cannot be read"):
        await lease(attrs.evolve(settings, jwt_file=tmp_path / "none"))


async def test_what_is_not_there_and_what_was_deleted(vault: Vault) -> None:
    token = vault.token(f"{vault.two}/*")
    settings = VaultSettings(vault.address, f"{vault.two}/none")
    with pytest.raises(UsageFault, match=r"read secret from Vault path .*none: there is nothing \(404\)") as raised:
        await lease(settings, VAULT_TOKEN=token)
    assert f"vault kv get -mount={vault.two} none" in str(raised.value.do)
    vault.put("none", SECRETS)
    assert shown(await lease(settings, VAULT_TOKEN=token)) == SECRETS
    vault.admin.secrets.kv.v2.delete_latest_version_of_secret("none", mount_point=vault.two)
    with pytest.raises(UsageFault, match="404"):
        await lease(settings, VAULT_TOKEN=token)


async def test_a_value_that_is_no_text_is_named_and_not_shown(vault: Vault) -> None:
    vault.put("odd", {"GOOD": "canary", "ODD": {"inner": "canary"}})
    with pytest.raises(UsageFault, match="'ODD' is neither") as raised:
        await lease(VaultSettings(vault.address, f"{vault.two}/odd"), VAULT_TOKEN=vault.token(f"{vault.two}/*"))
    assert "canary" not in f"{raised.value!r}{raised.value.do}{raised.value.__cause__!r}"


async def test_no_token_at_all(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would look in the environment and in the home directory by itself."""
    monkeypatch.setenv("VAULT_TOKEN", "canary-of-the-process")
    with pytest.raises(UsageFault, match="Vault token environment variable MINE not found") as raised:
        await lease(VaultSettings(vault.address, "secret/x", token_env="MINE"))  # noqa: S106 - a name
    assert "set it" in str(raised.value.do)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"auth": "magic"}, "auth"),
        ({"kv_version": 3}, "kv_version"),
        ({"secret_path": "/"}, "secret_path"),
        ({"secret_path": "secret/../sys/seal"}, "secret_path"),
        ({"address": "vault.example.com:8200"}, "address"),
        ({"address": "https://u:canary@vault"}, "address"),
        ({"auth": "approle"}, "role_id"),
        ({"auth": "kubernetes"}, "role"),
        ({"auth": "jwt", "role": "ci"}, "jwt_file"),
    ],
)
async def test_settings_that_cannot_work_name_the_field(wrong: dict[str, Any], field: str) -> None:
    settings = attrs.evolve(VaultSettings("https://vault.example.com", "secret/x"), **wrong)
    with pytest.raises(UsageFault, match=field) as raised:
        await lease(settings)
    assert raised.value.do
    assert "canary" not in f"{raised.value} {raised.value.do}"

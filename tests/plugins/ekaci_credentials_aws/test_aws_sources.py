"""Secrets Manager and profiles, against moto's server."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import boto3
import pytest
from tests.plugins.ekaci_credentials_aws.conftest import context

from ekaci_core.api import CredentialType, InfrastructureFault, Lease, UsageFault
from ekaci_core.config import credential_sources as known
from ekaci_core.testing.credentials import CredentialConformance, CredentialLaboratory
from ekaci_credentials_aws import plugin
from ekaci_credentials_aws.profile import AwsProfileSettings, AwsProfileType
from ekaci_credentials_aws.secrets_manager import AwsSecretsManagerSettings, AwsSecretsManagerType

pytestmark = pytest.mark.anyio

SSO = """
[profile ci]
sso_session = main
sso_account_id = 1
sso_role_name = x
[sso-session main]
sso_region = eu-north-1
sso_start_url = https://example.org/start
"""
SECRETS = {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-key"}


async def lease(kind: CredentialType, settings: object) -> Lease:
    async with kind.open(settings, context()) as source:
        return await source.resolve()


def shown(lease: Lease) -> Mapping[str, str]:
    return {name: secret.reveal() for name, secret in lease.secrets.items()}


def stored(aws: str, content: str | bytes, *, region: str = "eu-north-1", last: str = "s3-creds") -> str:
    name = f"{uuid.uuid4().hex[:8]}/{last}"
    client = boto3.client("secretsmanager", endpoint_url=aws, region_name=region)
    if isinstance(content, bytes):
        client.create_secret(Name=name, SecretBinary=content)
    else:
        client.create_secret(Name=name, SecretString=content)
    return name


def test_ekaci_register_credential_types_gives_three_with_the_settings_that_the_core_knows() -> None:
    kinds = {kind.name: kind.config for kind in plugin.ekaci_register_credential_types()}
    assert kinds.keys() == {"aws-secrets-manager", "aws-profile", "instance-metadata"}
    for name, config in kinds.items():
        names = [each.name for each in attrs.fields(config)]
        assert names == [each.name for each in attrs.fields(known.KNOWN_SOURCES[name])]


class TestSecretsManager(CredentialConformance):
    @pytest.fixture
    def laboratory(self, aws: str) -> CredentialLaboratory:
        kind = AwsSecretsManagerType()
        good = kind.open(AwsSecretsManagerSettings(stored(aws, json.dumps(SECRETS))), context())
        bad = kind.open(AwsSecretsManagerSettings("no/such/secret"), context())
        return CredentialLaboratory(good, SECRETS, bad, ("no/such/secret", "ResourceNotFound", "GetSecretValue"))


class TestProfile(CredentialConformance):
    @pytest.fixture
    def laboratory(self, aws: str) -> CredentialLaboratory:  # noqa: ARG002 - it keeps everything on loopback
        written("credentials", "[ci]\naws_access_key_id = canary-id\naws_secret_access_key = canary-key\n")
        kind = AwsProfileType()
        good = kind.open(AwsProfileSettings("ci"), context())
        bad = kind.open(AwsProfileSettings("other"), context())
        return CredentialLaboratory(good, SECRETS, bad, ("other", "~/.aws/credentials", "aws sso login"))


def written(name: str, text: str) -> None:
    path = Path.home() / ".aws" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("content", "secrets"),
    [
        (json.dumps(SECRETS), SECRETS),
        (json.dumps(SECRETS).encode(), SECRETS),
        ("A=canary-one\nB=canary-two", {"A": "canary-one", "B": "canary-two"}),
        ("canary-token", {"CACHIX_TOKEN": "canary-token"}),
        (b"Y2FuYXJ5==\n", {"CACHIX_TOKEN": "Y2FuYXJ5=="}),
    ],
)
async def test_a_secret_in_every_form(aws: str, content: str | bytes, secrets: dict[str, str]) -> None:
    name = stored(aws, content, last="cachix-token")
    found = await lease(AwsSecretsManagerType(), AwsSecretsManagerSettings(name))
    assert shown(found) == secrets
    assert found.expires_at is None


async def test_another_region_than_the_environments(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = stored(aws, json.dumps(SECRETS), region="us-west-2")
    assert shown(await lease(AwsSecretsManagerType(), AwsSecretsManagerSettings(name, "us-west-2"))) == SECRETS
    with pytest.raises(UsageFault, match="ResourceNotFound"):
        await lease(AwsSecretsManagerType(), AwsSecretsManagerSettings(name))
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(UsageFault, match="no region is known") as raised:
        await lease(AwsSecretsManagerType(), AwsSecretsManagerSettings(name))
    assert "AWS_REGION" in str(raised.value.do)


@pytest.mark.parametrize("content", ['{"A": "canary"', '{"A": ["canary"]}', b"\xffcanary"])
async def test_a_secret_that_is_no_use_is_told_without_its_text(aws: str, content: str | bytes) -> None:
    with pytest.raises(UsageFault, match="failed to retrieve secret from AWS Secrets Manager") as raised:
        await lease(AwsSecretsManagerType(), AwsSecretsManagerSettings(stored(aws, content)))
    assert "canary" not in f"{raised.value!r} {raised.value.do} {raised.value.__cause__!r}"


@pytest.mark.usefixtures("aws")
async def test_nobody_to_ask_as_and_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(InfrastructureFault, match="cannot be reached"):
        await lease(AwsSecretsManagerType(), AwsSecretsManagerSettings("x"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageFault, match="no usable keys") as raised:
        await lease(AwsSecretsManagerType(), AwsSecretsManagerSettings("x"))
    assert "instance profile" in str(raised.value.do)


async def test_a_secret_with_keys_of_a_profile_that_the_environment_names(
    aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stored(aws, json.dumps(SECRETS))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "ci")
    written("credentials", "[ci]\naws_access_key_id = one\naws_secret_access_key = two\n")
    assert shown(await lease(AwsSecretsManagerType(), AwsSecretsManagerSettings(name))) == SECRETS


@pytest.mark.usefixtures("aws")
async def test_a_profile_with_region_token_and_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    written("elsewhere", "# a = comment\n[ci]\naws_access_key_id=a\naws_secret_access_key=b\naws_session_token=c\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(Path.home() / ".aws/elsewhere"))
    written("config", "[profile ci]\nregion = eu-west-3\n")
    assert shown(await lease(AwsProfileType(), AwsProfileSettings("ci"))) == {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_SESSION_TOKEN": "c",
        "AWS_REGION": "eu-west-3",
        "AWS_DEFAULT_REGION": "eu-west-3",
    }


@pytest.mark.usefixtures("aws")
async def test_a_chain_of_roles_has_keys_that_end() -> None:
    written("credentials", "[base]\naws_access_key_id = one\naws_secret_access_key = two\n")
    written(
        "config",
        "[profile middle]\nrole_arn = arn:aws:iam::123456789012:role/middle\nsource_profile = base\n"
        "[profile ci]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = middle\n",
    )
    found = await lease(AwsProfileType(), AwsProfileSettings("ci"))
    assert shown(found)["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert "AWS_SESSION_TOKEN" in found.secrets
    assert found.expires_at is not None
    assert time.time() + 600 < found.expires_at < time.time() + 2 * 3600


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[profile ci]\nregion = eu-west-3\n", "it has none"),
        ("[profile ci]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = gone\n", "no usable keys"),
        (
            SSO,
            "SSO",
        ),
        ("no section = canary\n", "no usable keys"),
    ],
)
async def test_profiles_that_cannot_work(config: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    written("config", config)
    with pytest.raises(UsageFault, match=words) as raised:
        await lease(AwsProfileType(), AwsProfileSettings("ci"))
    assert "profile ci" in str(raised.value)
    assert "aws sso login --profile ci" in str(raised.value.do)
    assert "canary" not in f"{raised.value!r} {raised.value.__cause__!r}"


@pytest.mark.usefixtures("aws")
def test_no_canary_of_the_process_is_in_a_source() -> None:
    sources: list[Any] = [AwsProfileSettings("ci"), AwsSecretsManagerSettings("x"), context().log]
    assert "canary" not in repr(sources)
    assert "canary-process-key" in os.environ["AWS_SECRET_ACCESS_KEY"]

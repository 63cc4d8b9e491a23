"""What machines of three clouds are given; EC2 as moto's server has it, too."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import boto3
import pytest
from tests.plugins.ekaci_credentials_aws.cloud_stand_in import CloudStandIn, served
from tests.plugins.ekaci_credentials_aws.conftest import context

from ekaci_core.api import EkaciError, InfrastructureFault, Lease, UsageFault
from ekaci_core.testing.credentials import CredentialConformance, CredentialLaboratory
from ekaci_credentials_aws.instance import InstanceMetadataSettings, InstanceMetadataType
from ekaci_credentials_aws.metadata import Endpoints

pytestmark = pytest.mark.anyio

NOBODY = "http://127.0.0.1:1"
APP = {"GITHUB_APP_ID": "123456", "GITHUB_APP_PRIVATE_KEY": "canary-pem"}
AWS = {
    "AWS_ACCESS_KEY_ID": "canary-aws-id",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-key",
    "AWS_SESSION_TOKEN": "canary-aws-token",
}
REGION = {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-north-1"}
IDENTITIES = {
    "aws": {**AWS, **REGION},
    "gcp": {"GOOGLE_OAUTH_ACCESS_TOKEN": "canary-google"},
    "azure": {"AZURE_ACCESS_TOKEN": "canary-azure of https://storage.azure.com/"},
}
CLOUDS = ("aws", "gcp", "azure")


def shown(lease: Lease) -> Mapping[str, str]:
    return {name: secret.reveal() for name, secret in lease.secrets.items()}


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", NOBODY)


@contextmanager
def machine(state: CloudStandIn, patch: pytest.MonkeyPatch) -> Iterator[InstanceMetadataType]:
    """A machine in a cloud: its own service answers, and nobody at the others' addresses."""
    with served(state) as address:
        ends: dict[str, Any] = {"ec2": NOBODY, "google": NOBODY, "azure": NOBODY}
        ends["google" if state.cloud == "gcp" else "ec2" if state.cloud == "aws" else "azure"] = address
        if state.cloud == "aws":
            patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        else:
            patch.setenv("HTTP_PROXY", NOBODY)
        yield InstanceMetadataType(Endpoints(**ends, secret_manager=address, key_vault=address + "/{}"))


async def lease(kind: InstanceMetadataType, settings: InstanceMetadataSettings) -> Lease:
    async with kind.open(settings, context()) as source:
        return await source.resolve()


class Conformance(CredentialConformance):
    cloud = ""

    @pytest.fixture
    def laboratory(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[CredentialLaboratory]:
        with ExitStack() as stack:
            good = stack.enter_context(machine(CloudStandIn(self.cloud), monkeypatch))
            nowhere = InstanceMetadataType(Endpoints(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY))
            provider = InstanceMetadataSettings(self.cloud)
            yield CredentialLaboratory(
                good.open(provider, context()),
                IDENTITIES[self.cloud],
                nowhere.open(InstanceMetadataSettings(), context()),
                ("instance-metadata", "no metadata service answers"),
            )


class TestEc2(Conformance):
    cloud = "aws"


class TestGoogle(Conformance):
    cloud = "gcp"


class TestAzure(Conformance):
    cloud = "azure"


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_the_cloud_is_found_out_and_its_identity_ends(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with machine(CloudStandIn(cloud), monkeypatch) as kind:
        found = await lease(kind, InstanceMetadataSettings())
    assert shown(found) == IDENTITIES[cloud]
    assert found.expires_at is not None
    assert found.expires_at > time.time() + 3000


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_machine_without_an_identity(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = pytest.raises(EkaciError, match="failed to get this machine's identity")
    with machine(CloudStandIn(cloud, identity=False), monkeypatch) as kind, failed as raised:
        await lease(kind, InstanceMetadataSettings())
    assert raised.value.do
    assert raised.value.where == f"instance-metadata: {cloud}"


@pytest.mark.parametrize(
    ("cloud", "path", "name"),
    [
        ("gcp", "/v1/projects/my-project/secrets/app/versions/latest:access", "app"),
        ("gcp", "/v1/projects/eka-ci/secrets/github-app/versions/latest:access", "eka-ci/github-app"),
        ("azure", "/eka-ci/secrets/github-app", "eka-ci/github-app"),
    ],
)
async def test_a_secret_with_the_machines_identity(
    cloud: str, path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = CloudStandIn(cloud, {path: json.dumps(APP).encode()})
    with machine(state, monkeypatch) as kind:
        assert shown(await lease(kind, InstanceMetadataSettings(secret_name=name))) == APP
        state.secrets.clear()
        with pytest.raises(UsageFault, match=f"failed to retrieve secret {name}") as raised:
            await lease(kind, InstanceMetadataSettings(cloud, name))
        assert "may read" in str(raised.value.do)
        for wrong in ("../x", "a/b/c", "a?b", "a/", ""):
            with pytest.raises(UsageFault, match="is no secret"):
                await lease(kind, InstanceMetadataSettings(cloud, wrong))


async def test_a_secret_of_secrets_manager_with_the_role_of_the_machine(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    client = boto3.client("secretsmanager", "eu-north-1", endpoint_url=moto)
    client.create_secret(Name="eka-ci/github-app", SecretString=json.dumps(APP))
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    with machine(CloudStandIn("aws"), monkeypatch) as kind:
        assert shown(await lease(kind, InstanceMetadataSettings(None, "eka-ci/github-app"))) == APP
        with pytest.raises(UsageFault, match="ResourceNotFound"):
            await lease(kind, InstanceMetadataSettings("aws", "none"))


async def test_ec2_as_moto_has_it(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", moto)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    found = await lease(InstanceMetadataType(Endpoints(moto, NOBODY, NOBODY)), InstanceMetadataSettings())
    assert shown(found)["AWS_ACCESS_KEY_ID"] == "test-key"
    assert shown(found)["AWS_SESSION_TOKEN"] == "test-session-token"  # noqa: S105 - moto's


@pytest.mark.parametrize("cloud", ["gcp", "azure"])
@pytest.mark.parametrize("status", [500, 302])
async def test_a_service_that_is_ill(cloud: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = pytest.raises(InfrastructureFault, match=f"it answers {status}")
    with machine(CloudStandIn(cloud, status=status), monkeypatch) as kind, failed:
        await lease(kind, InstanceMetadataSettings(cloud))


async def test_a_provider_that_there_is_not() -> None:
    with pytest.raises(UsageFault, match="no provider ibm"):
        await lease(InstanceMetadataType(), InstanceMetadataSettings("ibm"))


def test_addresses_that_the_environment_names() -> None:
    named = {
        "GCE_METADATA_HOST": "localhost:1",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://localhost:2",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://localhost:3",
    }
    found = Endpoints.of(named)
    assert (found.google, found.azure, found.ec2) == ("http://localhost:1", "http://localhost:2", "http://localhost:3")
    assert Endpoints.of({}) == Endpoints()

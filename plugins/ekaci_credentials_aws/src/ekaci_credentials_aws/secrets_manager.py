"""The credential source ``aws-secrets-manager``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import attrs

from ekaci_core.api import CredentialSource, Lease, NotKeyValues, PluginContext, UsageFault
from ekaci_credentials_aws.secret_value import secrets_in
from ekaci_credentials_aws.threads import Threads

if TYPE_CHECKING:
    import boto3

_IDENTITY: Final = "give the server an instance profile, keys in its environment, or a profile by AWS_PROFILE"


@attrs.frozen
class AwsSecretsManagerSettings:
    """Settings of one use.

    Attributes:
        secret_name: name or ARN.
        region: where it is; otherwise what ``AWS_REGION`` or ``AWS_DEFAULT_REGION`` says, or AWS's own files.
    """

    secret_name: str
    region: str | None = None


@attrs.frozen
class AwsSecretsManagerSource:
    """Reads the secret each time."""

    _settings: AwsSecretsManagerSettings
    _threads: Threads = attrs.field(factory=Threads)

    async def resolve(self) -> Lease:
        """Read the secret.

        Raises:
            UsageFault: there is none of that name, it is no use, or AWS refuses.
            InfrastructureFault: AWS cannot be reached.
        """
        return await self._threads.run(self._read)

    def _read(self) -> Lease:
        import boto3  # noqa: PLC0415 - it takes half a second to load

        name, region = self._settings.secret_name, self._settings.region
        session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
        return read_secret(session, name, where=f"aws-secrets-manager: {name}", identity=_IDENTITY)


def read_secret(session: boto3.Session, name: str, *, where: str, identity: str) -> Lease:
    """Read a secret with somebody's keys; it blocks.

    Raises:
        UsageFault: as for `AwsSecretsManagerSource.resolve`.
        InfrastructureFault: likewise.
    """
    from ekaci_credentials_aws.faults import RAISED, fault_of  # noqa: PLC0415 - as above
    from ekaci_credentials_aws.sessions import bounded  # noqa: PLC0415

    doing = f"failed to retrieve secret from AWS Secrets Manager: {name}"
    do = f"verify name and region, and that secretsmanager:GetSecretValue is allowed for {name}"
    try:
        answer = session.client("secretsmanager", config=bounded()).get_secret_value(SecretId=name)
        content = answer["SecretString"] if "SecretString" in answer else answer.get("SecretBinary", b"")
        return Lease(secrets_in(content, name))
    except NotKeyValues as wrong:
        raise UsageFault(f"{doing}: {wrong}", where=where, do="store an object of JSON there") from None
    except RAISED as error:
        raise fault_of(error, doing, where=where, do=do, identity=identity) from None
    except ValueError:  # a region or an endpoint that makes no address
        raise UsageFault(f"{doing}: it makes no address", where=where, do="verify region") from None


class AwsSecretsManagerType:
    """Makes sources of secrets of AWS Secrets Manager."""

    name: Final = "aws-secrets-manager"
    config: Final = AwsSecretsManagerSettings

    @asynccontextmanager
    async def open(
        self,
        config: AwsSecretsManagerSettings,
        context: PluginContext,  # noqa: ARG002 - AWS's library reads the process's environment, which is the same
    ) -> AsyncIterator[CredentialSource]:
        """Open one; nothing is asked yet."""
        yield AwsSecretsManagerSource(config)

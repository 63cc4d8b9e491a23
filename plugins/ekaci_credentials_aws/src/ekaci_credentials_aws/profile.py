"""The credential source ``aws-profile``: a section of AWS's own files, with all that AWS's libraries make of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import attrs

from ekaci_core.api import CredentialSource, Lease, PluginContext, UsageFault
from ekaci_credentials_aws.threads import Threads


@attrs.frozen
class AwsProfileSettings:
    """Settings of one use.

    Attributes:
        profile: the name of a section of ``~/.aws/credentials`` or ``~/.aws/config``.
    """

    profile: str


@attrs.frozen
class AwsProfileSource:
    """Reads the files each time, and what they lead to: roles that are assumed, SSO, commands."""

    _profile: str
    _threads: Threads = attrs.field(factory=Threads)

    async def resolve(self) -> Lease:
        """Get the profile's keys.

        Raises:
            UsageFault: there is no such profile, it has no keys, or AWS refuses it the role.
            InfrastructureFault: AWS cannot be reached.
        """
        return await self._threads.run(self._read)

    def _read(self) -> Lease:
        from botocore.session import Session  # noqa: PLC0415 - it takes a while to load

        from ekaci_credentials_aws.faults import RAISED, fault_of  # noqa: PLC0415
        from ekaci_credentials_aws.sessions import bounded, lease_of  # noqa: PLC0415

        where, doing = f"aws-profile: {self._profile}", f"failed to get keys of the AWS profile {self._profile}"
        hint = (
            f"see [{self._profile}] in ~/.aws/credentials and ~/.aws/config, or what AWS_SHARED_CREDENTIALS_FILE and "
            f"AWS_CONFIG_FILE name; where it logs in by SSO: aws sso login --profile {self._profile}"
        )
        do = "verify the role and its source in AWS's files, and that sts:AssumeRole is allowed"
        try:
            session = Session(profile=self._profile)
            session.set_default_client_config(bounded())
            region = session.get_config_variable("region")
            if region is None:  # whoever gives a role is asked in some region, and this variable botocore does not read
                session.set_config_variable("region", os.environ.get("AWS_REGION"))
            credentials = session.get_credentials()
            if credentials is None:
                raise UsageFault(f"{doing}: it has none", where=where, do=hint)
            return lease_of(credentials, region)
        except RAISED as error:
            raise fault_of(error, doing, where=where, do=do, identity=hint) from None


class AwsProfileType:
    """Makes sources of profiles."""

    name: Final = "aws-profile"
    config: Final = AwsProfileSettings

    @asynccontextmanager
    async def open(
        self,
        config: AwsProfileSettings,
        context: PluginContext,  # noqa: ARG002 - AWS's library reads the process's environment, which is the same
    ) -> AsyncIterator[CredentialSource]:
        """Open one; nothing is read yet."""
        yield AwsProfileSource(config.profile)

"""EC2, and containers of AWS: keys of the role, and secrets of Secrets Manager that it may read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import attrs

from ekaci_core.api import InfrastructureFault, Lease
from ekaci_credentials_aws.metadata import Asking
from ekaci_credentials_aws.threads import Threads

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_SECONDS: Final = 2
_IDENTITY: Final = "attach an instance profile with a role to this machine"


@attrs.frozen
class Ec2:
    """What a machine of EC2 has. AWS's own library asks, by the second version of the service where there is one."""

    _threads: Threads = attrs.field(factory=Threads)

    async def identity(self, asking: Asking) -> Lease:
        """Return the keys of the role.

        Raises:
            InfrastructureFault: the machine has no role, or the service cannot be reached.
        """

        def read() -> Lease:
            from ekaci_credentials_aws.sessions import lease_of  # noqa: PLC0415 - its libraries take a while to load

            return lease_of(_credentials(asking), _region())

        return await self._threads.run(read)

    async def secret(self, name: str, asking: Asking) -> Lease:
        """Read a secret of Secrets Manager, in the machine's region unless ``AWS_REGION`` says another.

        Raises:
            UsageFault: there is none, the role may not read it, or it is no use.
            InfrastructureFault: a service cannot be reached.
        """

        def read() -> Lease:
            import boto3  # noqa: PLC0415 - it takes half a second to load

            from ekaci_credentials_aws.secrets_manager import read_secret  # noqa: PLC0415

            keys = _credentials(asking).get_frozen_credentials()
            session = boto3.Session(keys.access_key, keys.secret_key, keys.token, region_name=_region())
            return read_secret(session, name, where=asking.where, identity=_IDENTITY)

        return await self._threads.run(read)


def _credentials(asking: Asking) -> Credentials:
    from botocore.credentials import (  # noqa: PLC0415 - as above
        ContainerProvider,
        CredentialResolver,
        InstanceMetadataProvider,
    )
    from botocore.utils import InstanceMetadataFetcher  # noqa: PLC0415

    from ekaci_credentials_aws.faults import RAISED, fault_of  # noqa: PLC0415

    fetcher = InstanceMetadataFetcher(timeout=_SECONDS, num_attempts=2, config=_service())
    resolver = CredentialResolver([ContainerProvider(), InstanceMetadataProvider(iam_role_fetcher=fetcher)])
    try:
        found = resolver.load_credentials()
    except RAISED as error:
        raise fault_of(error, asking.doing, where=asking.where, do=asking.do, identity=_IDENTITY) from None
    if found is None:
        what = f"{asking.doing}: the metadata service gives no keys, or cannot be reached"
        raise InfrastructureFault(what, where=asking.where, do=_IDENTITY)
    return found


def _service() -> dict[str, object]:
    """Where the service is, as AWS's variables and files say."""
    from botocore.session import Session  # noqa: PLC0415 - as above

    session = Session()
    keys = "ec2_metadata_service_endpoint", "ec2_metadata_service_endpoint_mode", "ec2_metadata_v1_disabled"
    return {key: session.get_config_variable(key) for key in keys}


def _region() -> str | None:
    """What is said of the region, and otherwise where the machine is."""
    from botocore.session import Session  # noqa: PLC0415 - as above
    from botocore.utils import IMDSRegionProvider  # noqa: PLC0415

    session = Session()
    said = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return said or IMDSRegionProvider(session).provide()

"""The credential source ``instance-metadata``: what the cloud gives the machine that the server runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import attrs

from ekaci_core.api import CredentialSource, InfrastructureFault, Lease, PluginContext, UsageFault
from ekaci_credentials_aws.azure import Azure
from ekaci_credentials_aws.ec2 import Ec2
from ekaci_credentials_aws.google import Google
from ekaci_credentials_aws.metadata import SECONDS, Asking, Endpoints

if TYPE_CHECKING:
    import httpx

PROBE_SECONDS: Final = 2.0
_CONTAINER: Final = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"


class Cloud(Protocol):
    """A kind of cloud."""

    async def identity(self, asking: Asking) -> Lease:
        """Return what the machine may act with."""
        ...

    async def secret(self, name: str, asking: Asking) -> Lease:
        """Read a secret of the cloud's manager of secrets."""
        ...


@attrs.frozen
class InstanceMetadataSettings:
    """Settings of one use; both may be left out.

    Attributes:
        provider: ``aws``, ``gcp`` or ``azure``; otherwise whichever answers.
        secret_name: a secret to read with the machine's identity; otherwise the identity itself is what is had.
    """

    provider: str | None = None
    secret_name: str | None = None


@attrs.define
class InstanceMetadataSource:
    """Asks the service each time; which one it is, is found out once."""

    _settings: InstanceMetadataSettings
    _endpoints: Endpoints
    _environment: Mapping[str, str] = attrs.field(repr=False)
    _client: httpx.AsyncClient = attrs.field(repr=False)
    _clouds: Mapping[str, Cloud] = attrs.field(init=False)
    _found: str | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Prepare all clouds; none is asked."""
        self._clouds = {"aws": Ec2(), "gcp": Google(self._endpoints), "azure": Azure(self._endpoints)}

    async def resolve(self) -> Lease:
        """Return the machine's identity, or the secret that is named.

        Raises:
            UsageFault: the machine has no identity, or that may not read the secret, or there is none.
            InfrastructureFault: no service can be reached.
        """
        provider = self._settings.provider or self._found or await self._probed()
        self._found = provider
        name = self._settings.secret_name
        where = f"instance-metadata: {provider}"
        if name is None:
            asking = Asking(self._client, where, "failed to get this machine's identity", "give the machine a role")
            return await self._clouds[provider].identity(asking)
        doing = f"failed to retrieve secret {name} with this machine's identity"
        asking = Asking(self._client, where, doing, f"verify secret_name, and that the machine's role may read {name}")
        return await self._clouds[provider].secret(name, asking)

    async def _probed(self) -> str:
        """Ask all services at once: the one that answers is this machine's."""
        if any(self._environment.get(name) for name in _CONTAINER):
            return "aws"
        answered: list[str] = []
        ends = self._endpoints
        probes = (
            ("gcp", "GET", f"{ends.google}/computeMetadata/v1/", {"Metadata-Flavor": "Google"}),
            ("azure", "GET", f"{ends.azure}/metadata/instance?api-version=2021-02-01", {"Metadata": "true"}),
            ("aws", "PUT", f"{ends.ec2}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}),
        )
        async with anyio.create_task_group() as tasks:
            for name, method, url, headers in probes:
                tasks.start_soon(self._probe, name, method, url, headers, answered)
        if not answered:
            raise InfrastructureFault(
                "no metadata service answers: neither EC2's, nor Google Cloud's, nor Azure's",
                where="instance-metadata",
                do="use it on a machine of those clouds, or set provider",
            )
        return answered[0]

    async def _probe(self, name: str, method: str, url: str, headers: Mapping[str, str], answered: list[str]) -> None:
        import httpx  # noqa: PLC0415 - it takes a while to load

        try:
            answer = await self._client.request(method, url, headers=dict(headers), timeout=PROBE_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL):
            return  # not this cloud
        google = answer.headers.get("Metadata-Flavor") == "Google"
        if answer.status_code == 200 and google == (name == "gcp"):  # noqa: PLR2004 - HTTP
            answered.append(name)


@attrs.frozen
class InstanceMetadataType:
    """Makes sources of metadata services; ``endpoints`` are others than the clouds' own."""

    endpoints: Endpoints | None = None
    name: str = attrs.field(default="instance-metadata", init=False)
    config: type[InstanceMetadataSettings] = attrs.field(default=InstanceMetadataSettings, init=False)

    @asynccontextmanager
    async def open(self, config: InstanceMetadataSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:
        """Open one; nothing is asked yet.

        Raises:
            UsageFault: there is no such provider.
        """
        import httpx  # noqa: PLC0415 - it takes a while to load

        if config.provider not in (None, "aws", "gcp", "azure"):
            raise UsageFault(
                f"there is no provider {config.provider}", where="instance-metadata", do="write aws, gcp or azure"
            )
        endpoints = self.endpoints or Endpoints.of(context.environment)
        # Metadata services are on the link: a proxy that the environment names would be asked for the machine's keys.
        async with httpx.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False) as client:
            yield InstanceMetadataSource(config, endpoints, context.environment, client)

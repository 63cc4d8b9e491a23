"""Asks the metadata service of the machine, and the cloud's own interfaces with what it gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from ekaci_core.api import EkaciError, InfrastructureFault, UsageFault

if TYPE_CHECKING:
    import httpx

SECONDS: Final = 5.0
"""The longest wait for an answer."""
ANSWER_BYTES: Final = 1024 * 1024
_DENIED: Final = frozenset({400, 401, 403, 404})


@attrs.frozen
class Endpoints:
    """Where services are.

    Attributes:
        ec2: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
        google: https://cloud.google.com/compute/docs/metadata/querying-metadata
        secret_manager: https://cloud.google.com/secret-manager/docs/reference/rest
        azure: https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
        key_vault: of a vault, with its name for ``{}``; https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret
    """

    ec2: str = "http://169.254.169.254"
    google: str = "http://metadata.google.internal"
    secret_manager: str = "https://secretmanager.googleapis.com"  # noqa: S105 - an address
    azure: str = "http://169.254.169.254"
    key_vault: str = "https://{}.vault.azure.net"

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Endpoints:
        """Take addresses from the variables by which the clouds' own libraries are told others."""
        given = cls()
        google, azure = environment.get("GCE_METADATA_HOST"), environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST")
        return cls(
            ec2=environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or given.ec2,
            google=f"http://{google}" if google else given.google,
            azure=azure or given.azure,
        )


@attrs.frozen
class Asking:
    """How answers are had and judged.

    Attributes:
        client: not following redirections: tokens go to nobody else.
        where: the source in messages.
        doing: what is tried, as "failed to ...".
        do: what to do where the service refuses.
    """

    client: httpx.AsyncClient
    where: str
    doing: str
    do: str

    async def json(self, url: str, headers: Mapping[str, str], **params: str) -> Mapping[str, Any]:
        """Return the object that is the answer.

        Raises:
            UsageFault: the service refuses, or has nothing there.
            InfrastructureFault: it cannot be reached, or answers something else.
        """
        try:
            found = json.loads(await self.text(url, headers, **params))
        except ValueError:
            raise self._odd("what it answers is no JSON") from None
        if not isinstance(found, Mapping):
            raise self._odd("what it answers is no object")
        return found

    async def text(self, url: str, headers: Mapping[str, str], **params: str) -> str:
        """Return the answer as text; errors as for `json`."""
        import httpx  # noqa: PLC0415 - it takes a while to load

        try:
            async with self.client.stream("GET", url, headers=dict(headers), params=params) as answer:
                content = b""
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > ANSWER_BYTES:
                        raise self._odd("its answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._odd(f"it cannot be reached ({type(error).__name__})") from None
        if answer.status_code in _DENIED:
            raise UsageFault(f"{self.doing}: it answers {answer.status_code}", where=self.where, do=self.do)
        if answer.status_code != 200:  # noqa: PLR2004 - HTTP
            raise self._odd(f"it answers {answer.status_code}")
        return content.decode(errors="replace")

    def _odd(self, what: str) -> EkaciError:
        return InfrastructureFault(
            f"{self.doing}: {what}",
            where=self.where,
            do="see whether this machine runs in that cloud; it is tried again",
        )


def is_name(text: str) -> bool:
    """Whether a text is one part of a name in a cloud, fit to be part of an address."""
    return bool(text) and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in text)

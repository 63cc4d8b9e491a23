"""Azure: tokens of the machine's managed identity, and secrets of a key vault that it may read."""

from __future__ import annotations

from typing import Final

import attrs

from ekaci_core.api import Lease, NotKeyValues, Secret, UsageFault
from ekaci_credentials_aws.metadata import Asking, Endpoints, is_name
from ekaci_credentials_aws.secret_value import secrets_in

TOKEN: Final = "AZURE_ACCESS_TOKEN"  # noqa: S105 - a name
STORAGE: Final = "https://storage.azure.com/"
VAULT: Final = "https://vault.azure.net"
_HEADERS: Final = {"Metadata": "true"}


@attrs.frozen
class Azure:
    """What a machine of Azure has."""

    _endpoints: Endpoints

    async def identity(self, asking: Asking, resource: str = STORAGE) -> Lease:
        """Return a token for a resource; errors as for `Asking.json`."""
        url = f"{self._endpoints.azure}/metadata/identity/oauth2/token"
        found = await asking.json(url, _HEADERS, **{"api-version": "2018-02-01", "resource": resource})
        token, ends = found.get("access_token"), str(found.get("expires_on", ""))
        if not isinstance(token, str) or not ends.isdecimal():
            raise UsageFault(f"{asking.doing}: there is no token", where=asking.where, do="assign a managed identity")
        return Lease({TOKEN: Secret(token)}, float(ends))

    async def secret(self, name: str, asking: Asking) -> Lease:
        """Read the newest version of a secret, ``VAULT/NAME``; errors as for `Google.secret`."""
        vault, _, last = name.partition("/")
        if not is_name(vault) or not is_name(last):
            raise UsageFault(f"{name} is no secret", where=asking.where, do="write secret_name as VAULT/NAME")
        token = (await self.identity(asking, VAULT)).secrets[TOKEN]
        url = f"{self._endpoints.key_vault.format(vault)}/secrets/{last}"
        found = await asking.json(url, {"Authorization": f"Bearer {token.reveal()}"}, **{"api-version": "7.4"})
        try:
            return Lease(secrets_in(str(found["value"]), last))
        except KeyError:
            raise UsageFault(f"{asking.doing}: it has no content", where=asking.where, do=asking.do) from None
        except NotKeyValues as wrong:
            do = "store an object of JSON there"
            raise UsageFault(f"{asking.doing}: {wrong}", where=asking.where, do=do) from None

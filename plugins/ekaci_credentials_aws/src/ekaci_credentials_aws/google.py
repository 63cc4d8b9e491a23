"""Google Cloud: the token of the machine's service account, and secrets of Secret Manager that it may read."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Final

import attrs

from ekaci_core.api import Lease, NotKeyValues, Secret, UsageFault
from ekaci_credentials_aws.metadata import Asking, Endpoints, is_name
from ekaci_credentials_aws.secret_value import secrets_in

TOKEN: Final = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105 - a name
_HEADERS: Final = {"Metadata-Flavor": "Google"}
_BELOW: Final = "/computeMetadata/v1"


@attrs.frozen
class Google:
    """What a machine of Google Cloud has."""

    _endpoints: Endpoints

    async def identity(self, asking: Asking) -> Lease:
        """Return the token of the service account; errors as for `Asking.json`."""
        url = f"{self._endpoints.google}{_BELOW}/instance/service-accounts/default/token"
        found = await asking.json(url, _HEADERS)
        token, seconds = found.get("access_token"), found.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise UsageFault(f"{asking.doing}: there is no token", where=asking.where, do="attach a service account")
        return Lease({TOKEN: Secret(token)}, time.time() + seconds)

    async def secret(self, name: str, asking: Asking) -> Lease:
        """Read the newest version of ``NAME`` in the machine's own project, or of ``PROJECT/NAME``.

        Raises:
            UsageFault: there is none, the account may not read it, or it is no use.
            InfrastructureFault: a service cannot be reached.
        """
        project, _, last = name.rpartition("/")
        if not is_name(last) or not (is_name(project) or not project):
            raise UsageFault(f"{name} is no secret", where=asking.where, do="write secret_name as NAME or PROJECT/NAME")
        token = (await self.identity(asking)).secrets[TOKEN]
        if not project:
            project = await asking.text(f"{self._endpoints.google}{_BELOW}/project/project-id", _HEADERS)
        url = f"{self._endpoints.secret_manager}/v1/projects/{project.strip()}/secrets/{last}/versions/latest:access"
        found = await asking.json(url, {"Authorization": f"Bearer {token.reveal()}"})
        try:
            return Lease(secrets_in(base64.b64decode(found["payload"]["data"], validate=True), last))
        except (KeyError, TypeError, binascii.Error):
            raise UsageFault(f"{asking.doing}: it has no content", where=asking.where, do=asking.do) from None
        except NotKeyValues as wrong:
            do = "store an object of JSON there"
            raise UsageFault(f"{asking.doing}: {wrong}", where=asking.where, do=do) from None

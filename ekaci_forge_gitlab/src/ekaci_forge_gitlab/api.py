"""GitLab as the rest of the plugin uses it: calls with the token that is good now, page after page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import attrs

from ekaci_core.api import Clock, Logger, RepositoryId
from ekaci_core.api.fields import Malformed
from ekaci_forge_gitlab.client import Call, Client, Reply
from ekaci_forge_gitlab.config import Addresses
from ekaci_forge_gitlab.faults import UNAUTHORIZED, ApiFault
from ekaci_forge_gitlab.tokens import Tokens

PAGE: Final = 100
_MOST_PAGES: Final = 200


@attrs.frozen
class Api:
    """Everything that a call needs."""

    addresses: Addresses
    client: Client
    tokens: Tokens
    clock: Clock
    log: Logger

    async def send(self, call: Call) -> Reply:
        """Send a call, once more with a new token where the one we have is refused and there is another.

        Raises:
            ApiFault: no success.
        """
        token = await self.tokens.token()
        try:
            return await self.client.call(call, token)
        except ApiFault as fault:
            if fault.status != UNAUTHORIZED:
                raise
            newer = await self.tokens.renew(token)
            if newer == token:
                raise
        return await self.client.call(call, newer)

    async def pages(self, call: Call) -> AsyncIterator[Any]:
        """Yield the items of all pages."""
        reply = await self.send(call)
        for _ in range(_MOST_PAGES):
            if not isinstance(reply.data, list):
                raise ApiFault("GitLab's answer is no list", where=call.shown)
            for item in reply.data:
                yield item
            if reply.following is None:
                return
            reply = await self.send(attrs.evolve(call, address=reply.following, query={}))

    def path_of(self, repository: RepositoryId) -> str:
        """Return where a project is below the API.

        https://docs.gitlab.com/api/rest/#namespaced-paths

        Raises:
            ApiFault: it is at another forge.
        """
        if repository.forge != self.addresses.host:
            raise ApiFault("is at another forge", where=str(repository), do="configure an account there")
        return f"/projects/{quote(repository.path, safe='')}"


def strange(error: Malformed, call: Call) -> ApiFault:
    """Return the fault that an answer was not understood."""
    return ApiFault(f"GitLab's answer is not understood: {error}", where=call.shown)

"""GitHub as the rest of the plugin uses it: calls as the app, and calls on a repository for one use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import attrs

from ekaci_core.api import Clock, Logger, RepositoryId
from ekaci_forge_github.client import Call, Client, Reply
from ekaci_forge_github.config import Addresses
from ekaci_forge_github.faults import UNAUTHORIZED, ApiFault
from ekaci_forge_github.keys import AppKeys
from ekaci_forge_github.tokens import AppCalls, Grant, Tokens
from ekaci_forge_github.uses import Use

PAGE: Final = 100
_MOST_PAGES: Final = 200


@attrs.frozen
class Api:
    """Everything that a call needs."""

    addresses: Addresses
    client: Client
    keys: AppKeys
    app: AppCalls
    tokens: Tokens
    clock: Clock
    log: Logger

    async def on(self, repository: RepositoryId, use: Use, call: Call) -> Reply:
        """Send a call about a repository, once more with a new token where the one we have is refused.

        Raises:
            ApiFault: no success.
        """
        self._check_host(repository)
        grant = await self.tokens.on(repository, use)
        try:
            return await self._with(grant, call)
        except ApiFault as fault:
            if fault.status != UNAUTHORIZED:
                raise
        self.tokens.refused(grant)
        return await self._with(await self.tokens.on(repository, use), call)

    async def across(self, installation: int, use: Use, call: Call) -> Reply:
        """Send a call about an installation; errors as for `on`."""
        grant = await self.tokens.across(installation, use)
        try:
            return await self._with(grant, call)
        except ApiFault as fault:
            if fault.status != UNAUTHORIZED:
                raise
        self.tokens.refused(grant)
        return await self._with(await self.tokens.across(installation, use), call)

    async def pages_on(self, repository: RepositoryId, use: Use, call: Call, key: str = "") -> AsyncIterator[Any]:
        """Yield the items of all pages; ``key`` names the list in each answer where the answer is no list itself."""
        reply = await self.on(repository, use, call)
        for _ in range(_MOST_PAGES):
            for item in items_of(reply, key, call):
                yield item
            if reply.following is None:
                return
            reply = await self.on(repository, use, next_page(call, reply.following))

    async def app_pages(self, call: Call) -> AsyncIterator[Any]:
        """Yield the items of all pages that the app itself may see."""
        reply = await self.app.call(call)
        for _ in range(_MOST_PAGES):
            for item in items_of(reply, "", call):
                yield item
            if reply.following is None:
                return
            reply = await self.app.call(next_page(call, reply.following))

    async def installation_pages(self, installation: int, use: Use, call: Call, key: str) -> AsyncIterator[Any]:
        """Yield the items of all pages of an installation."""
        reply = await self.across(installation, use, call)
        for _ in range(_MOST_PAGES):
            for item in items_of(reply, key, call):
                yield item
            if reply.following is None:
                return
            reply = await self.across(installation, use, next_page(call, reply.following))

    async def _with(self, grant: Grant, call: Call) -> Reply:
        return await self.client.call(call, grant.token, str(grant.installation))

    def _check_host(self, repository: RepositoryId) -> None:
        if repository.forge != self.addresses.host:
            raise ApiFault("is at another forge", where=str(repository), do="configure an app there")


def items_of(reply: Reply, key: str, call: Call) -> list[Any]:
    """Return the items of one page.

    Raises:
        ApiFault: the answer holds no list.
    """
    data = reply.data
    if key:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, list):
        raise ApiFault("GitHub's answer holds no list", where=call.shown)
    return data


def next_page(call: Call, address: str) -> Call:
    """Return the call for the page at an address that GitHub gave."""
    return attrs.evolve(call, address=address, query={})

"""Putting the parts of an instance together. Importing this imports the library for HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ekaci_core.api import HeldCredentials, PluginContext, UsageFault
from ekaci_forge_gitlab.api import Api
from ekaci_forge_gitlab.client import Client
from ekaci_forge_gitlab.config import Addresses, GitLabConfig
from ekaci_forge_gitlab.forge import GitLabForge
from ekaci_forge_gitlab.signatures import WebhookKeys
from ekaci_forge_gitlab.tokens import GivenToken, Tokens
from ekaci_forge_gitlab.transport import Transport, trust_in


@asynccontextmanager
async def opened(
    config: GitLabConfig, addresses: Addresses, context: PluginContext, where: str
) -> AsyncIterator[GitLabForge]:
    """Yield the open forge; ``where`` is the table's address in the configuration.

    Raises:
        UsageFault: there is no token, or CA file or signing token cannot be used.
        InfrastructureFault: the source of the credentials cannot be reached.
    """
    keys = WebhookKeys.of(config, where)
    source = await _source(config, context, where)
    tokens = Tokens(source, f"{where}.credentials" if config.credentials else f"{where}.token")
    await tokens.token()
    transport = Transport(trust_in(config.ca_file, f"{where}.ca_file") if config.ca_file else None)
    try:
        client = Client(addresses, transport, context.clock, context.log)
        yield GitLabForge(config, keys, Api(addresses, client, tokens, context.clock, context.log))
    finally:
        await transport.close()


async def _source(config: GitLabConfig, context: PluginContext, where: str) -> HeldCredentials:
    if config.credentials is not None and config.token is not None:
        raise UsageFault("there are both token and credentials", where=where, do="write one of the two")
    if config.credentials is not None:
        return await context.credentials.open(config.credentials, purpose=where)
    if config.token:
        return GivenToken(config.token)
    raise UsageFault(
        "an instance needs a token",
        where=f"{where}.credentials",
        do="name where it comes from, or set GITLAB_TOKEN and GITLAB_DOMAIN",
    )

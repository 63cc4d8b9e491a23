"""Putting the parts of an instance together. Importing this imports the library for HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread

from ekaci_core.api import HeldCredentials, PluginContext, UsageFault
from ekaci_forge_gitea.client import Client, Surroundings
from ekaci_forge_gitea.config import Addresses, GiteaConfig, is_this_machine
from ekaci_forge_gitea.forge import GiteaForge
from ekaci_forge_gitea.tokens import GivenToken, Tokens
from ekaci_forge_gitea.transport import Transport, trust_of


@asynccontextmanager
async def opened(
    config: GiteaConfig, addresses: Addresses, context: PluginContext, where: str
) -> AsyncIterator[GiteaForge]:
    """Yield the open forge; ``where`` is the table's address in the configuration.

    Raises:
        UsageFault: there is no token or two of them, or the certificates cannot be read.
        InfrastructureFault: the source of the token cannot be reached.
    """
    tokens = Tokens(await _source(config, context, where), f"{where}.credentials")
    tokens.of(await tokens.lease())
    if addresses.web.startswith("http://") and not is_this_machine(addresses.host):
        context.log.warning("gitea_token_is_sent_in_clear", host=addresses.host, do="serve it at https")
    trust = await anyio.to_thread.run_sync(lambda: trust_of(config.ca_file, where=where))
    transport = Transport(trust)
    try:
        around = Surroundings(addresses, tokens, context.clock, context.log)
        yield GiteaForge(config, around, Client(around, transport))
    finally:
        await transport.close()


async def _source(config: GiteaConfig, context: PluginContext, where: str) -> HeldCredentials:
    if config.token and config.credentials is not None:
        raise UsageFault("there are two tokens", where=where, do="leave token or credentials out")
    if config.token:
        return GivenToken(config.token)
    if config.credentials is None:
        raise UsageFault("an access token is needed", where=where, do="name its source in credentials, or set token")
    return await context.credentials.open(config.credentials, purpose=where)

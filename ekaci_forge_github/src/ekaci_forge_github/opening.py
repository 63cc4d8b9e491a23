"""Putting the parts of an app together. Importing this imports the libraries for HTTP and signatures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ekaci_core.api import PluginContext, UsageFault
from ekaci_forge_github.api import Api
from ekaci_forge_github.client import Client
from ekaci_forge_github.config import Addresses, GitHubAppConfig
from ekaci_forge_github.forge import GitHubForge
from ekaci_forge_github.keys import AppKeys
from ekaci_forge_github.tokens import AppCalls, Tokens
from ekaci_forge_github.transport import Transport


@asynccontextmanager
async def opened(
    config: GitHubAppConfig, addresses: Addresses, context: PluginContext, where: str
) -> AsyncIterator[GitHubForge]:
    """Yield the open forge; ``where`` is the table's address in the configuration.

    Raises:
        UsageFault: there are no credentials, or they hold no app id or no private key.
        InfrastructureFault: their source cannot be reached.
    """
    if config.credentials is None:
        raise UsageFault(
            "an app needs credentials",
            where=f"{where}.credentials",
            do="name where they come from",
        )
    source = await context.credentials.open(config.credentials, purpose=where)
    keys = AppKeys(source, context.clock, context.log, f"{where}.credentials", context.conceal)
    await keys.key()
    transport = Transport()
    try:
        client = Client(addresses.api, transport, context.clock, context.log)
        app = AppCalls(client, keys)
        api = Api(addresses, client, keys, app, Tokens(app, context.clock, context.conceal), context.clock, context.log)
        yield GitHubForge(config, api)
    finally:
        await transport.close()

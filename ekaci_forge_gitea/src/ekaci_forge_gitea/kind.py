"""The forge type ``gitea``: how it is configured and opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ekaci_core.api import PluginContext
from ekaci_forge_gitea.config import Addresses, GiteaConfig

if TYPE_CHECKING:
    from ekaci_forge_gitea.forge import GiteaForge


class GiteaType:
    """Registers the forge."""

    name = "gitea"
    table = "gitea_instances"
    webhook_path = "/gitea/webhook"
    config = GiteaConfig

    @asynccontextmanager
    async def open(self, config: GiteaConfig, context: PluginContext) -> AsyncIterator[GiteaForge]:
        """Open an instance. Gitea is not asked: that it is away for now is no reason not to start.

        Raises:
            UsageFault: the address is none, there is no token or two of them, or the certificates cannot be read.
            InfrastructureFault: the source of the token cannot be reached.
        """
        # The library for HTTP takes a while to import, and most commands never open a forge.
        from ekaci_forge_gitea.opening import opened  # noqa: PLC0415

        where = f"{self.table}.{config.id or config.domain}"
        async with opened(config, Addresses.of(config, where=where), context, where) as forge:
            yield forge

"""The forge type ``github``: how it is configured and opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ekaci_core.api import PluginContext
from ekaci_forge_github.config import Addresses, GitHubAppConfig

if TYPE_CHECKING:
    from ekaci_forge_github.forge import GitHubForge


class GitHubType:
    """Registers the forge."""

    name = "github"
    table = "github_apps"
    webhook_path = "/github/webhook"
    config = GitHubAppConfig

    @asynccontextmanager
    async def open(self, config: GitHubAppConfig, context: PluginContext) -> AsyncIterator[GitHubForge]:
        """Open an app. GitHub is not asked: that it is away for now is no reason not to start.

        Raises:
            UsageFault: the address is none, there are no credentials, or they hold no app id or no private key.
            InfrastructureFault: the source of the credentials cannot be reached.
        """
        # The libraries for HTTP and signatures take a while to import, and most commands never open a forge.
        from ekaci_forge_github.opening import opened  # noqa: PLC0415

        where = f"{self.table}.{config.id}" if config.id else self.table
        async with opened(config, Addresses.of(config.base_url, where=f"{where}.base_url"), context, where) as forge:
            yield forge

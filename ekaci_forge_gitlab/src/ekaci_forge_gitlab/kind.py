"""The forge type ``gitlab``: how it is configured and opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ekaci_core.api import PluginContext
from ekaci_forge_gitlab.config import Addresses, GitLabConfig

if TYPE_CHECKING:
    from ekaci_forge_gitlab.forge import GitLabForge


class GitLabType:
    """Registers the forge."""

    name = "gitlab"
    table = "gitlab_instances"
    webhook_path = "/gitlab/webhook"
    config = GitLabConfig

    @asynccontextmanager
    async def open(self, config: GitLabConfig, context: PluginContext) -> AsyncIterator[GitLabForge]:
        """Open an instance. GitLab is not asked: that it is away for now is no reason not to start.

        Raises:
            UsageFault: domain or CA file cannot be used, or there is no token.
            InfrastructureFault: the source of the credentials cannot be reached.
        """
        # The library for HTTP takes a while to import, and most commands never open a forge.
        from ekaci_forge_gitlab.opening import opened  # noqa: PLC0415

        where = f"{self.table}.{config.id}" if config.id else self.table
        async with opened(config, Addresses.of(config, where=where), context, where) as forge:
            yield forge

"""``none``: nothing is secret."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ekaci_core.api import CredentialSource, Lease, PluginContext
from ekaci_core.config.credential_sources import NoSettings


class NothingSource:
    """Has no secrets."""

    async def resolve(self) -> Lease:
        """Return an empty lease."""
        return Lease({})


class NoneType:
    """Makes sources of nothing."""

    name: Final = "none"
    config: Final = NoSettings

    @asynccontextmanager
    async def open(self, config: NoSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:  # noqa: ARG002
        """Open one."""
        yield NothingSource()

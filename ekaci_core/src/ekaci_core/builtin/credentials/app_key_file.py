"""``github-app-key-file``: an App's number from a variable and its key from a PEM file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import anyio.to_thread
import attrs

from ekaci_core.api import CredentialSource, Lease, PluginContext, Secret
from ekaci_core.builtin.credentials.env import from_variables
from ekaci_core.builtin.credentials.private_file import read_private
from ekaci_core.config.credential_sources import APP_ID, APP_KEY, GithubAppKeyFileSettings

_NAME: Final = "github-app-key-file"


@attrs.frozen
class GithubAppKeyFileSource:
    """Reads the file each time, so that a new key needs no restart."""

    _environment: Mapping[str, str] = attrs.field(repr=False)
    _settings: GithubAppKeyFileSettings

    async def resolve(self) -> Lease:
        """Read variable and file.

        Raises:
            UsageFault: one of them cannot be used.
        """
        number = from_variables(self._environment, [self._settings.app_id_env], _NAME)[self._settings.app_id_env]
        key = await anyio.to_thread.run_sync(lambda: read_private(self._settings.key_file, _NAME))
        return Lease({APP_ID: number, APP_KEY: Secret(key)})


class GithubAppKeyFileType:
    """Makes sources of an App's number and key."""

    name: Final = _NAME
    config: Final = GithubAppKeyFileSettings

    @asynccontextmanager
    async def open(self, config: GithubAppKeyFileSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:
        """Open one; ``context.environment`` is the server's own."""
        yield GithubAppKeyFileSource(context.environment, config)

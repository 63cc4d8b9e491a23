"""``file``: secrets from a file that only the server can read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio.to_thread
import attrs

from ekaci_core.api import CredentialSource, Lease, PluginContext, UsageFault
from ekaci_core.builtin.credentials.key_values import NotKeyValues, parse_key_values
from ekaci_core.builtin.credentials.private_file import read_private
from ekaci_core.config.credential_sources import FileSettings


@attrs.frozen
class FileSource:
    """Reads the file each time, so that a new secret needs no restart."""

    _path: Path
    _shared: bool

    async def resolve(self) -> Lease:
        """Read the file.

        Raises:
            UsageFault: it cannot be used.
        """
        text = await anyio.to_thread.run_sync(lambda: read_private(self._path, "file", shared=self._shared))
        try:
            return Lease(parse_key_values(text))
        except NotKeyValues as wrong:
            raise UsageFault(
                str(wrong), where=f"file: {self._path}", do="write an object of JSON, or lines KEY=VALUE"
            ) from None


class FileType:
    """Makes sources of files."""

    name: Final = "file"
    config: Final = FileSettings

    @asynccontextmanager
    async def open(self, config: FileSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:  # noqa: ARG002
        """Open one."""
        yield FileSource(config.path, config.allow_shared)

"""The credential source ``systemd-credential``: a file of ``$CREDENTIALS_DIRECTORY``.

systemd makes the directory, readable for the unit alone: https://systemd.io/CREDENTIALS/. So the modes of files in it
are systemd's affair, and are not judged.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_core.api import CredentialSource, Lease, NotKeyValues, PluginContext, UsageFault
from ekaci_credentials_systemd.contents import secrets_in

DIRECTORY: Final = "CREDENTIALS_DIRECTORY"
LIMIT: Final = 1024 * 1024
"""The largest credential in bytes, as systemd has it."""
THREADS: Final = 2


@attrs.frozen
class SystemdCredentialSettings:
    """Settings of one use.

    Attributes:
        name: what stands before the colon in ``LoadCredential=``.
    """

    name: str


@attrs.frozen
class SystemdCredentialSource:
    """Reads the file each time: a unit that is reloaded may have another one."""

    _name: str
    _environment: Mapping[str, str] = attrs.field(repr=False)
    _threads: anyio.CapacityLimiter

    async def resolve(self) -> Lease:
        """Read the credential.

        Raises:
            UsageFault: there is none, or it cannot be used.
        """
        folder = self._environment.get(DIRECTORY)
        if not folder:
            raise UsageFault(
                f"the variable {DIRECTORY} is not set: systemd did not start the server, or gives it no credentials",
                where=f"systemd-credential: {self._name}",
                do=f"give the unit LoadCredential={self._name}:/path/of/the/secret",
            )
        path = Path(folder, self._name)
        text = await anyio.to_thread.run_sync(_read, path, abandon_on_cancel=True, limiter=self._threads)
        try:
            return Lease(secrets_in(text, self._name))
        except NotKeyValues as wrong:
            do = "encrypt an object of JSON, lines KEY=VALUE, or one value"
            raise UsageFault(str(wrong), where=f"systemd-credential: {path}", do=do) from None


class SystemdCredentialType:
    """Makes sources of the unit's credentials."""

    name: Final = "systemd-credential"
    config: Final = SystemdCredentialSettings

    @asynccontextmanager
    async def open(self, config: SystemdCredentialSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:
        """Open one; ``context.environment`` is the server's own.

        Raises:
            UsageFault: the name is none.
        """
        if not config.name or config.name in (".", "..") or "/" in config.name or "\0" in config.name:
            raise UsageFault(
                "name is the name of no credential",
                where="systemd-credential",
                do="write what stands before the colon in LoadCredential=",
            )
        yield SystemdCredentialSource(config.name, context.environment, anyio.CapacityLimiter(THREADS))


def _read(path: Path) -> str:
    where = f"systemd-credential: {path}"
    do = f"see LoadCredential= or LoadCredentialEncrypted= of the unit: it must name {path.name}"
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageFault("this is not a file", where=where, do=do)
            content = file.read(LIMIT + 1)
    except OSError as error:
        raise UsageFault(f"it cannot be read: {error.strerror}", where=where, do=do) from None
    if len(content) > LIMIT:
        raise UsageFault(f"it is larger than {LIMIT} bytes", where=where, do=do)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UsageFault("it is no text", where=where, do=do) from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)

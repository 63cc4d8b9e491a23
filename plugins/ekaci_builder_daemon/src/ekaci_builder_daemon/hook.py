"""A build hook that says at once that there is no other machine.

The daemon starts Nix's own hook anew for every build that it is asked for, even if ``builders`` is empty, and that
takes three times as long as a small build (``DerivationGoal::tryBuildHook`` in Nix 2.8's
``src/libstore/build/derivation-goal.cc``, ``DerivationBuildingGoal::tryBuildHook`` in newer ones). Another one may be
named by a client that the daemon trusts. It stands in the store, the one place that the daemon has for certain.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import anyio

from ekaci_builder_daemon.connection import Connection, Refused
from ekaci_builder_daemon.protocol import Trust
from ekaci_core.api import InfrastructureFault, PluginContext

_PATIENCE_SECONDS: Final = 20.0
_NAME: Final = "no-other-machines"
_TEXT: Final = "#!/bin/sh\necho '# decline-permanently' >&2\n"


class Hook:
    """The hook, put into the store when it is first needed, and again when the garbage collector took it."""

    def __init__(self, socket: Path, context: PluginContext) -> None:
        self._context = context
        self._environment = {**context.environment, "NIX_REMOTE": f"unix://{socket}"}
        self._path: str | None = None
        self._is_impossible = False
        self._adding = anyio.Lock()

    async def held_by(self, connection: Connection) -> str | None:
        """Return its path, kept from the garbage collector by a connection; None where it can be of no use.

        Raises:
            ConnectionLost: the daemon went away.
            Unreadable: it is no Nix daemon that is understood.
        """
        if connection.greeting is None or connection.greeting.trust == Trust.NOT_TRUSTED:
            return None  # it would only warn that it does not use it
        try:
            if self._path is not None:
                await connection.add_temp_root(self._path)
            if self._path is None or not _is_there(self._path):
                await self._add()
                if self._path is not None:
                    await connection.add_temp_root(self._path)
        except Refused:
            return None
        return self._path if self._path is not None and _is_there(self._path) else None

    async def _add(self) -> None:
        async with self._adding:
            if self._is_impossible or (self._path is not None and _is_there(self._path)):
                return
            self._path = await self._added()
            self._is_impossible = self._path is None

    async def _added(self) -> str | None:
        try:
            with tempfile.TemporaryDirectory(prefix="ekaci-") as folder:
                command = ["nix-store", "--add", str(_written(Path(folder)))]
                done = await self._context.nix.run(
                    command, environment=self._environment, timeout_seconds=_PATIENCE_SECONDS
                )
        except (InfrastructureFault, OSError) as fault:
            said = str(fault)
        else:
            if done.status == 0:
                return done.stdout.strip()
            said = done.stderr.strip()
        self._context.log.warning("daemon_build_hook_stays", reason=said[:500])
        return None


def _written(folder: Path) -> Path:
    file = folder / _NAME
    file.write_text(_TEXT)
    file.chmod(0o755)
    return file


def _is_there(path: str) -> bool:
    return os.path.lexists(path)

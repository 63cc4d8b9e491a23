"""``env``: secrets from variables of the server's environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import attrs

from ekaci_core.api import CredentialSource, Lease, PluginContext, Secret, UsageFault
from ekaci_core.config.credential_sources import EnvSettings


def from_variables(environment: Mapping[str, str], names: Sequence[str], source: str) -> dict[str, Secret]:
    """Take secrets from variables, under their names.

    Raises:
        UsageFault: some are not set; names them all.
    """
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise UsageFault(
            f"the source {source} wants {', '.join(missing)}, which the server's environment does not have",
            where=source,
            do="set it where the server is started, for example by EnvironmentFile= of its unit",
        )
    return {name: Secret(environment[name]) for name in names}


@attrs.frozen
class EnvSource:
    """Reads variables. They cannot change while the server runs, so the lease has no end."""

    _environment: Mapping[str, str] = attrs.field(repr=False)
    _names: Sequence[str]

    async def resolve(self) -> Lease:
        """Read the variables.

        Raises:
            UsageFault: one is not set.
        """
        return Lease(from_variables(self._environment, self._names, "env"))


class EnvType:
    """Makes sources of variables."""

    name: Final = "env"
    config: Final = EnvSettings

    @asynccontextmanager
    async def open(self, config: EnvSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:
        """Open one; ``context.environment`` is the server's own."""
        yield EnvSource(context.environment, config.vars)

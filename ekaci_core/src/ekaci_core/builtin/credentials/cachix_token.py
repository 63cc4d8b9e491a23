"""``cachix-token``: one variable, under the name that the Cachix client wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import attrs

from ekaci_core.api import CredentialSource, Lease, PluginContext
from ekaci_core.builtin.credentials.env import from_variables
from ekaci_core.config.credential_sources import CachixTokenSettings

VARIABLE: Final = "CACHIX_AUTH_TOKEN"
"""What the Cachix client reads: https://docs.cachix.org/getting-started#authenticating."""


@attrs.frozen
class CachixTokenSource:
    """Reads a variable of any name and gives it the client's."""

    _environment: Mapping[str, str] = attrs.field(repr=False)
    _name: str

    async def resolve(self) -> Lease:
        """Read the variable.

        Raises:
            UsageFault: it is not set.
        """
        found = from_variables(self._environment, [self._name], "cachix-token")
        return Lease({VARIABLE: found[self._name]})


class CachixTokenType:
    """Makes sources of a token for Cachix."""

    name: Final = "cachix-token"
    config: Final = CachixTokenSettings

    @asynccontextmanager
    async def open(self, config: CachixTokenSettings, context: PluginContext) -> AsyncIterator[CredentialSource]:
        """Open one; ``context.environment`` is the server's own."""
        yield CachixTokenSource(context.environment, config.env_var)

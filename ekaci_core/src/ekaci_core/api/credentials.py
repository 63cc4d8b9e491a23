"""Contract of a credential source: where secrets come from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from ekaci_core.model.secret import Secret

if TYPE_CHECKING:
    from ekaci_core.api.context import PluginContext


@attrs.frozen
class CredentialUse:
    """What stands behind ``credentials``: the name of a source, and its settings as they were written."""

    source: str
    settings: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Lease:
    """Secrets by name. ``expires_at`` is in seconds since the epoch, None for those that stay."""

    secrets: Mapping[str, Secret]
    expires_at: float | None = None


class CredentialSource(Protocol):
    """One configured source of one use's secrets."""

    async def resolve(self) -> Lease:
        """Read the secrets now.

        Raises:
            UsageFault: what was configured cannot work; names the source, the field and what to do.
            InfrastructureFault: the source cannot be reached now; an older lease that is valid goes on.
        """
        ...


class HeldCredentials(CredentialSource, Protocol):
    """A source as its user gets it: what it gave is kept while it holds, and read anew in the background."""

    async def renew(self, refused: Lease | None = None) -> Lease:
        """Read the secrets anew: somebody was refused with them.

        Args:
            refused: the lease that was used; if it has been replaced meanwhile, what replaced it is returned.

        Raises:
            UsageFault: as for `resolve`.
            InfrastructureFault: as for `resolve`.
        """
        ...


class CredentialResolver(Protocol):
    """Opens what a plugin's configuration names."""

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldCredentials:
        """Open a source for as long as the plugin's instance is open; ``purpose`` names the use in messages.

        Raises:
            UsageFault: there is no such source, or its settings are wrong.
        """
        ...


class CredentialType(Protocol):
    """Makes sources: ``credentials = { NAME = {...} }`` or ``credentials = "NAME"``."""

    @property
    def name(self) -> str:
        """What operators write."""
        ...

    @property
    def config(self) -> type[Any]:
        """An attrs class, parsed strictly."""
        ...

    def open(self, config: Any, context: PluginContext) -> AbstractAsyncContextManager[CredentialSource]:
        """Open a source."""
        ...

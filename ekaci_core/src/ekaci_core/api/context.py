"""What a plugin is given: never the server itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import attrs

from ekaci_core.api.addresses import AddressGuard, NoAddresses
from ekaci_core.api.credentials import CredentialResolver, CredentialUse, HeldCredentials
from ekaci_core.api.programs import NoPrograms, Programs
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.secret import Secret

if TYPE_CHECKING:
    from ekaci_core.api.nix import NixPrograms


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...


class Logger(Protocol):
    """A structured logger: an event name and fields, never a formatted sentence."""

    def debug(self, event: str, /, **fields: object) -> object:
        """Log for developers."""
        ...

    def info(self, event: str, /, **fields: object) -> object:
        """Log what an operator may want to know."""
        ...

    def warning(self, event: str, /, **fields: object) -> object:
        """Log what an operator should look at."""
        ...


class NoCredentials:
    """Where nothing has secrets: a review at a terminal."""

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldCredentials:
        """Refuse.

        Raises:
            UsageFault: always.
        """
        raise UsageFault(f"credentials ({use.source}) are only for the server", where=purpose)


def conceal_nowhere(secret: Secret) -> None:
    """Where nothing is written that a secret could stand in."""
    del secret


@attrs.frozen
class PluginContext:
    """Handed to ``open``.

    ``environment`` is the environment for child processes, already cleaned; ``nix`` runs Nix's programs with it;
    ``credentials`` opens what the plugin's configuration names; ``programs`` runs any other program; ``addresses`` says
    which machines may be reached. ``conceal`` is told every secret that the plugin got by itself, a token that it was
    issued above all, before it is used: it is masked in all logs. What a lease holds is masked already.
    """

    clock: Clock
    log: Logger
    environment: Mapping[str, str]
    nix: NixPrograms
    credentials: CredentialResolver = NoCredentials()
    programs: Programs = NoPrograms()
    addresses: AddressGuard = NoAddresses()
    conceal: Callable[[Secret], None] = conceal_nowhere

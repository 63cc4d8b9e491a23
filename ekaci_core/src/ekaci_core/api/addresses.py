"""Which machines a plugin may talk to: an operator's destination must not lead into places that are not his."""

from __future__ import annotations

import enum
from typing import Protocol

from ekaci_core.model.errors import UsageFault


class Reach(enum.Enum):
    """How far a connection may go. Metadata services of clouds are never reached."""

    PUBLIC = "public"
    """Public addresses, and private ones only where ``security.allow_private_cache_hosts`` is set."""
    PRIVATE = "private"
    """Private networks and this machine too, but nothing link-local."""


class AddressGuard(Protocol):
    """Resolves names and refuses addresses."""

    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:
        """Return the addresses of a host; who connects, connects to one of these and asks for no others.

        Args:
            host: a name or an address, in any spelling, without brackets.
            port: the TCP port.
            reach: what is allowed.

        Raises:
            UsageFault: one of them is not allowed; names the host, the address and the setting that allows it.
            InfrastructureFault: the name does not resolve.
        """
        ...


class NoAddresses:
    """Where nothing is to be reached: a review at a terminal."""

    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:  # noqa: ARG002
        """Refuse.

        Raises:
            UsageFault: always.
        """
        raise UsageFault(f"port {port} is reached by the server only", where=host)

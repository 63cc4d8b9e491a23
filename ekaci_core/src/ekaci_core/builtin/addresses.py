"""The guard of addresses as plugins get it: a name is resolved once, and every address that it leads to is judged."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence

import anyio
import attrs

from ekaci_core.api import InfrastructureFault, Reach
from ekaci_core.model.hosts import judge_address, judge_host

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes a name and a port and returns numeric addresses, the best first. Raises `OSError`."""


async def resolve_by_system(name: str, port: int) -> Sequence[str]:
    """Ask the resolver of this machine.

    Raises:
        OSError: it knows no such name, or does not answer.
    """
    found = await anyio.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


@attrs.frozen
class CheckedAddresses:
    """Implements `AddressGuard`. ``allow_private`` is what ``security.allow_private_cache_hosts`` says."""

    allow_private: bool = False
    resolver: Resolver = resolve_by_system

    async def resolve(self, host: str, port: int, *, reach: Reach = Reach.PUBLIC) -> tuple[str, ...]:
        """Return the addresses of a host, after judging each.

        Raises:
            UsageFault: one of them is not allowed, or no host is written so.
            InfrastructureFault: the name does not resolve.
        """
        private = self.allow_private or reach is Reach.PRIVATE
        asked = judge_host(host, private=private)
        if asked.readings:
            return (str(asked.readings[0]),)
        try:
            found = await self.resolver(asked.name, port)
        except (OSError, UnicodeError) as error:
            raise _unresolved(host, getattr(error, "strerror", None) or "there is no such name") from None
        if not found:
            raise _unresolved(host, "it has no address")
        for address in found:
            judge_address(address, private=private, where=host)
        return tuple(found)


def _unresolved(host: str, why: str) -> InfrastructureFault:
    do = "see how the name is written, and that names resolve on this machine"
    return InfrastructureFault(f"the name does not resolve: {why}", where=host, do=do)

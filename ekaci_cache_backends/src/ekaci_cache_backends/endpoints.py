"""Addresses of services, as operators write them."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

import attrs

from ekaci_core.api import InfrastructureFault, PluginContext, UsageFault

_PORTS: Final = {"https": 443, "http": 80}


@attrs.frozen
class Endpoint:
    """Where a service is. ``url`` ends in a slash."""

    url: str
    host: str
    port: int


def parse_endpoint(text: str, *, where: str) -> Endpoint:
    """Read ``https://host[:port][/path]``.

    Raises:
        UsageFault: it is something else; says what to write.
    """
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        raise _unreadable(where)  # what follows would drop some of these
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _unreadable(where) from None
    if parts.scheme not in _PORTS or not parts.hostname or _has_more(parts):
        raise _unreadable(where)
    path = "/".join(part for part in parts.path.split("/") if part)
    url = f"{parts.scheme}://{parts.netloc}/{path}/" if path else f"{parts.scheme}://{parts.netloc}/"
    return Endpoint(url, parts.hostname, port or _PORTS[parts.scheme])


async def check_endpoint(endpoint: Endpoint, context: PluginContext, *, where: str, must_resolve: bool = False) -> None:
    """See that a service may be reached.

    Args:
        endpoint: the service.
        context: whose guard is asked.
        where: the cache in messages.
        must_resolve: whether a name that does not resolve is an error; otherwise it is only told.

    Raises:
        UsageFault: its address is not allowed.
        InfrastructureFault: its name does not resolve.
    """
    try:
        await context.addresses.resolve(endpoint.host, endpoint.port)
    except InfrastructureFault as fault:
        if must_resolve:
            raise
        context.log.warning("cache_host_not_found", cache=where, host=endpoint.host, reason=str(fault))


def _has_more(parts: SplitResult) -> bool:
    # What stands before an @ is a secret, which has no place here: it is not even shown.
    return "@" in parts.netloc or bool(parts.query or parts.fragment)


def _unreadable(where: str) -> UsageFault:
    return UsageFault(
        "it is no address of a server",
        where=where,
        do='write one such as "https://cache.example.com", without a user, a query or a fragment',
    )

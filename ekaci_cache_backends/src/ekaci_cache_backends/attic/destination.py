"""Where an Attic cache is, in both spellings."""

from __future__ import annotations

import re
from typing import Final

import attrs

from ekaci_cache_backends.endpoints import Endpoint, parse_endpoint
from ekaci_core.api import UsageFault

UNNAMED_SERVER: Final = "ekaci"
"""What the server is called in the configuration of Attic's own program where the destination is an address."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,49}")


@attrs.frozen
class AtticDestination:
    """A cache of a server. ``server`` is its name, ``endpoint`` the address of its interface."""

    server: str
    endpoint: Endpoint
    cache: str

    @property
    def reference(self) -> str:
        """The cache as Attic's program calls it."""
        return f"{self.server}:{self.cache}"


def parse_destination(destination: str, endpoint: str | None, *, where: str) -> AtticDestination:
    """Read ``https://host/cache``, or ``server:cache`` with the address of that server in ``endpoint``.

    Raises:
        UsageFault: it is neither; says what to write.
    """
    if "://" in destination:
        if endpoint is not None:
            raise UsageFault(
                "the destination is an address already",
                where=f"{where}: endpoint",
                do="leave `endpoint` out, or write the destination as server:cache",
            )
        base, _, cache = destination.rstrip("/").rpartition("/")
        if base.endswith(("/", ":")) or not base:
            raise _wrong(destination, where, "names no cache")
        return AtticDestination(
            UNNAMED_SERVER, parse_endpoint(base, where=f"{where}: destination"), _cache(cache, where)
        )
    server, colon, cache = destination.partition(":")
    if not colon or not _NAME.fullmatch(server):
        raise _wrong(destination, where, "is no Attic cache")
    if endpoint is None:
        raise UsageFault(
            f"nobody says where the server {server!r} is",
            where=f"{where}: endpoint",
            do='write its address, such as endpoint = "https://attic.example.com"',
        )
    return AtticDestination(server, parse_endpoint(endpoint, where=f"{where}: endpoint"), _cache(cache, where))


def _cache(name: str, where: str) -> str:
    if not _NAME.fullmatch(name):
        raise _wrong(name, where, "is no name of an Attic cache")
    return name


def _wrong(text: str, where: str, what: str) -> UsageFault:
    shown = repr(text) if "@" not in text else "it"  # what stands before an @ may be a secret
    return UsageFault(
        f"{shown} {what}",
        where=f"{where}: destination",
        do='write "https://attic.example.com/my-cache", or "server:my-cache" with the server\'s address in `endpoint`',
    )

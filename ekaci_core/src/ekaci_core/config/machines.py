"""Which machines a configuration makes the server talk to, as far as it says so itself: of caches and of Vault."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs

from ekaci_core.api.addresses import Reach
from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.convert import Located, address
from ekaci_core.config.entries import CacheEntry
from ekaci_core.config.lacking import credential_uses
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.shapes import CACHE_TYPES
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.hosts import judge_host

PORTS: Final[Mapping[str, int]] = {"s3": 443, "https": 443, "http": 80, "ssh": 22, "ssh-ng": 22}
"""Schemes of destinations on other machines, and where these listen."""
FOLDER: Final = "file"

_CACHIX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ATTIC: Final = re.compile(r"([^\s:/?#@\\]+):[A-Za-z0-9][A-Za-z0-9._+-]*")
_OPAQUE: Final = re.compile(r"[\s\\#]")


@attrs.frozen
class Machine:
    """A machine that a value names.

    Attributes:
        at: the address of the value, ``caches[0].destination``.
        host: as written.
        port: where it is asked.
        reach: what is allowed there.
        resolves: whether it is a name for the resolver; a bucket, or a server known to the tool alone, is not.
    """

    at: str
    host: str
    port: int
    reach: Reach = Reach.PUBLIC
    resolves: bool = True


def machines_of_cache(entry: CacheEntry) -> tuple[Machine, ...]:
    """Name the machines of a destination.

    Raises:
        UsageFault: it is no destination of its type.
    """
    at = address(entry.at, "destination")
    written = entry.destination
    if "://" not in written:
        return _by_name(at, entry.cache_type, written)
    parts = _split(written)
    if entry.cache_type in CACHE_TYPES and parts.scheme not in PORTS and parts.scheme != FOLDER:
        raise UsageFault(
            f'there is no scheme "{parts.scheme}://"', do=f"write one of {', '.join((*PORTS, FOLDER))} in front of ://"
        )
    return (*_of_place(at, parts), *_of_query(at, parts.query))


def machine_of_vault(at: str, use: CredentialUse) -> Machine | None:
    """Name the machine of a use of ``vault``; None for what is no address: its type says that.

    Args:
        at: its address, such as ``caches[0].credentials``.
        use: what stands there.
    """
    written = use.settings.get("address")
    if use.source != "vault" or not isinstance(written, str):
        return None
    try:
        parts = _split(written)
    except UsageFault:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    spot = address(address(at, "vault"), "address")
    return Machine(spot, unquote(parts.hostname), parts.port or PORTS[parts.scheme], Reach.PRIVATE)


def forbidden_machines(config: ServerConfig) -> Iterator[Located]:
    """Judge by how they are written all machines that caches and Vaults are on; nothing is resolved."""
    for entry in config.caches:
        at = address(entry.at, "destination")
        try:
            machines_of_cache(entry)
        except UsageFault as fault:
            yield Located(at, f"{fault.what}; {fault.do}", at)
    for machine in machines(config):
        private = machine.reach is Reach.PRIVATE or config.security.allow_private_cache_hosts
        try:
            judge_host(machine.host, private=private)
        except UsageFault as fault:
            yield Located(machine.at, f"{machine.host}: {fault.what}; {fault.do}", machine.at)


def machines(config: ServerConfig) -> Iterator[Machine]:
    """Name all machines that caches and Vaults are on; those of a destination that is wrong are left out."""
    for entry in config.caches:
        with suppress(UsageFault):
            yield from machines_of_cache(entry)
    for each in credential_uses(config):
        vault = machine_of_vault(each.at, each.use)
        if vault is not None:
            yield vault


def _by_name(at: str, cache_type: str, written: str) -> tuple[Machine, ...]:
    if cache_type == "nix-copy":
        raise UsageFault("it has no scheme", do='write an address such as "s3://bucket" or "https://cache.example.org"')
    if cache_type == "cachix" and not _CACHIX.fullmatch(written):
        raise UsageFault("it is no name of a cache", do="write its name: letters, digits, '.', '_' and '-'")
    if cache_type != "attic":
        return ()
    found = _ATTIC.fullmatch(written)
    if found is None:
        raise UsageFault("it is no cache", do='write "https://attic.example.org/cache", or "server:cache"')
    server = found.group(1)
    return (Machine(at, server, PORTS["https"], resolves="." in server),)


def _split(written: str) -> SplitResult:
    parts = None
    with suppress(ValueError):  # brackets without an address in them, or no such port
        found = urlsplit(written)
        parts = found if not _OPAQUE.search(written) and found.port != 0 else None
    if parts is None:
        do = "write it without spaces, backslashes and "  # ", and the port as a number"
        raise UsageFault("it is no address that all programs read alike", do=do)
    return parts


def _of_place(at: str, parts: SplitResult) -> Iterator[Machine]:
    host = unquote(parts.hostname or "")
    if parts.scheme == FOLDER:
        if parts.netloc:
            raise UsageFault("a folder is on this machine", do="write three slashes: file:///var/cache")
        return
    if not host:
        raise UsageFault("it names no host", do=f'write one behind "{parts.scheme}://"')
    if parts.scheme == "s3":
        if not host.isdecimal():  # a bucket may be called so, and nothing takes it for an address
            yield Machine(at, host, PORTS["s3"], resolves=False)
        return
    yield Machine(at, host, parts.port or PORTS.get(parts.scheme, PORTS["https"]))


def _of_query(at: str, query: str) -> Iterator[Machine]:
    """Find the machines in options: an endpoint, and whatever else is written as an address."""
    for key, value in parse_qsl(query, keep_blank_values=True):
        if not value or (key != "endpoint" and "://" not in value):
            continue
        parts = _split(value if "://" in value else f"https://{value}")
        if parts.scheme == FOLDER:
            continue
        if not parts.hostname:
            raise UsageFault(f"{key} names no host", do=f'write it as in "{key}=https://minio.example.org"')
        yield Machine(at, unquote(parts.hostname), parts.port or PORTS.get(parts.scheme, PORTS["https"]))

"""Hosts as people and attackers write them: names, and addresses in every spelling that some program reads as one."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

import attrs

from ekaci_core.model.errors import BadName, UsageFault
from ekaci_core.model.network_places import NEVER, Address, Place, places

SETTING: Final = "security.allow_private_cache_hosts"
EXAMPLE: Final = "203.0.113.7"

_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_NAME: Final = 253
_PARTS: Final = 4

_NAMES: Final = {
    "metadata": Place.METADATA,
    "metadata.google.internal": Place.METADATA,
    "metadata.goog": Place.METADATA,
    "metadata.azure.internal": Place.METADATA,
    "metadata.tencentyun.com": Place.METADATA,
    "instance-data": Place.METADATA,
    "instance-data.ec2.internal": Place.METADATA,
    "broadcasthost": Place.BROADCAST,
}
_OF_THIS_MACHINE: Final = frozenset({"localhost", "localhost4", "localhost6"})


@attrs.frozen
class Host:
    """A host.

    Attributes:
        name: in lower case and ASCII, without brackets and dots at its end; of an address its usual spelling.
        readings: the addresses that programs take it for, the usual reading first; empty for a name.
    """

    name: str
    readings: tuple[Address, ...] = ()


def parse_host(text: str) -> Host:
    """Read a host.

    Raises:
        BadName: no program should be given that as a host.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\u3002", ".").rstrip(".").lower()
    if ":" in plain:
        return _ipv6(plain[1:-1] if plain.startswith("[") and plain.endswith("]") else plain, text)
    labels = plain.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(labels, text)
    if not plain.isascii():
        try:
            plain = plain.encode("idna").decode("ascii").lower()
        except UnicodeError:
            raise BadName("host", text) from None
    if len(plain) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in plain.split(".")):
        raise BadName("host", text)
    return Host(plain)


def judge_host(text: str, *, private: bool, where: str | None = None) -> Host:
    """Judge a host by how it is written; of a name that says nothing by itself, only resolving it tells.

    Args:
        text: a name or an address.
        private: whether private networks and this machine may be reached.
        where: what a fault names; the host unless given.

    Raises:
        UsageFault: it must not be reached, or no host is written so.
    """
    where = where or text
    try:
        host = parse_host(text)
    except BadName as fault:
        raise UsageFault(fault.what, where=where, do=f"write a name, or an address such as {EXAMPLE}") from None
    found = {place for address in host.readings for place in places(address)} or _places_of_name(host.name)
    read = " or ".join(map(str, host.readings)) or host.name
    _judge(found, "it is" if read == text else f"it means {read}, which is", where, private=private)
    return host


def judge_address(text: str, *, private: bool, where: str) -> None:
    """Judge what a name resolved to.

    Raises:
        UsageFault: it must not be reached.
    """
    _judge(places(ipaddress.ip_address(text)), f"it leads to {text}, which is", where, private=private)


def _judge(found: Iterable[Place], says: str, where: str, *, private: bool) -> None:
    refused = set(found) & NEVER if private else set(found) - {Place.PUBLIC}
    for place in Place:
        if place in refused:
            if refused & NEVER:
                do = "name another host: nothing may reach that, whatever is configured"
            else:
                do = f"name another host, or set {SETTING} = true if it is meant so"
            raise UsageFault(f"{says} {place.value}", where=where, do=do)


def _places_of_name(name: str) -> frozenset[Place]:
    first, _, rest = name.partition(".")
    if name in _NAMES:
        return frozenset({_NAMES[name]})
    if first in _OF_THIS_MACHINE or name.endswith(".localhost") or (first.startswith("ip6-") and not rest):
        return frozenset({Place.LOOPBACK})
    if name.endswith((".local", ".localdomain")):
        return frozenset({Place.PRIVATE})
    return frozenset()


def _ipv6(plain: str, text: str) -> Host:
    try:
        address = ipaddress.IPv6Address(plain)
    except ValueError:
        raise BadName("host", text) from None
    return Host(str(address), (address,))


def _ipv4(labels: list[str], text: str) -> Host:
    """Read an address as the C library does, and also as those do who know no octal numbers."""
    if len(labels) > _PARTS or not all(_NUMBER.fullmatch(label) for label in labels):
        raise BadName("host", text)
    found = [_combined([_number(label, octal=octal) for label in labels]) for octal in (True, False)]
    readings = tuple(dict.fromkeys(address for address in found if address is not None))
    if not readings:
        raise BadName("host", text)
    return Host(str(readings[0]), readings)


def _number(label: str, *, octal: bool) -> int | None:
    if label[:2] == "0x":
        return int(label[2:] or "0", 16)
    if octal and len(label) > 1 and label.startswith("0"):
        return int(label, 8) if set(label) <= set("01234567") else None
    return int(label)


def _combined(numbers: list[int | None]) -> ipaddress.IPv4Address | None:
    """Put one to four numbers together; the last one fills what is left."""
    *heads, last = [-1 if number is None else number for number in numbers]
    rest = 8 * (_PARTS - len(heads))
    if any(not 0 <= head < 1 << 8 for head in heads) or not 0 <= last < 1 << rest:
        return None
    value = last
    for index, head in enumerate(heads):
        value |= head << (24 - 8 * index)
    return ipaddress.IPv4Address(value)

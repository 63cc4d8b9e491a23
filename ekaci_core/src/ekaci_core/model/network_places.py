"""Where an IP address leads to: the internet, a private network, this machine, or a cloud's metadata service."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address


class Place(enum.Enum):
    """What is at an address; the value ends a sentence that begins "it is"."""

    PUBLIC = "on the internet"
    LOOPBACK = "this machine itself"
    PRIVATE = "in a private network"
    CARRIER = "in a provider's own network (100.64.0.0/10)"
    UNSPECIFIED = "no address of a machine"
    BROADCAST = "a broadcast address"
    MULTICAST = "a multicast address"
    RESERVED = "reserved, and leads to nobody"
    LINK_LOCAL = "link-local"
    METADATA = "a metadata service of a cloud"


NEVER: Final = frozenset({Place.LINK_LOCAL, Place.METADATA})
"""What nothing that an operator configures has to reach, not even in a network of his own."""

_METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS, to containers
            "fd20:ce::254",  # Google Cloud
            "168.63.129.16",  # Azure
            "100.100.100.200",  # Alibaba Cloud
            "192.0.0.192",  # Oracle Cloud
            "fd00:c1::a9fe:a9fe",  # Oracle Cloud
            "fd00:42::42",  # Scaleway
        ),
    )
)

# The first that matches counts.
_RANGES: Final[Sequence[tuple[str, Place]]] = (
    ("0.0.0.0/8", Place.UNSPECIFIED),
    ("10.0.0.0/8", Place.PRIVATE),
    ("100.64.0.0/10", Place.CARRIER),
    ("127.0.0.0/8", Place.LOOPBACK),
    ("169.254.0.0/16", Place.LINK_LOCAL),
    ("172.16.0.0/12", Place.PRIVATE),
    ("192.0.0.0/24", Place.RESERVED),
    ("192.0.2.0/24", Place.RESERVED),
    ("192.88.99.0/24", Place.RESERVED),
    ("192.168.0.0/16", Place.PRIVATE),
    ("198.18.0.0/15", Place.RESERVED),
    ("198.51.100.0/24", Place.RESERVED),
    ("203.0.113.0/24", Place.RESERVED),
    ("224.0.0.0/4", Place.MULTICAST),
    ("255.255.255.255/32", Place.BROADCAST),
    ("240.0.0.0/4", Place.RESERVED),
    ("::/128", Place.UNSPECIFIED),
    ("::1/128", Place.LOOPBACK),
    ("64:ff9b:1::/48", Place.PRIVATE),
    ("fc00::/7", Place.PRIVATE),
    ("fec0::/10", Place.PRIVATE),  # site-local, which is no longer given out
    ("fe80::/10", Place.LINK_LOCAL),
    ("ff00::/8", Place.MULTICAST),
    ("2001::/23", Place.RESERVED),
    ("2001:db8::/32", Place.RESERVED),
    ("3fff::/20", Place.RESERVED),
    ("2000::/3", Place.PUBLIC),
    ("::/0", Place.RESERVED),
    ("0.0.0.0/0", Place.PUBLIC),
)
_TABLE: Final[Sequence[tuple[IPv4Network | IPv6Network, Place]]] = tuple(
    (ip_network(text), place) for text, place in _RANGES
)

# IPv6 networks whose addresses stand for an IPv4 address, and where in them that is: so many bits from the right.
_CARRYING: Final = (
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (IPv6Network("::ffff:0:0:0/96"), 0),  # translated (SIIT)
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)
# The same, but the address leads to itself as well.
_ALSO_CARRYING: Final = (
    (IPv6Network("::/96"), 0),  # compatible
    (IPv6Network("64:ff9b:1::/48"), 0),  # NAT64 of a network of one's own
    (IPv6Network("2001::/32"), 64),  # Teredo: the server
)
_TEREDO: Final = IPv6Network("2001::/32")
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
_IPV4: Final = 0xFFFF_FFFF


def places(address: Address) -> frozenset[Place]:
    """Say where an address may lead to: to more than one place where it stands for another address as well."""
    return frozenset(_place(each) for each in _meant(address))


def _place(address: Address) -> Place:
    if address in _METADATA:
        return Place.METADATA
    return next(place for network, place in _TABLE if address.version == network.version and address in network)


def _meant(address: Address) -> Iterator[Address]:
    if isinstance(address, IPv4Address):
        yield address
        return
    plain = IPv6Address(int(address))  # without a zone
    carried = [_ipv4(plain, shift) for network, shift in _CARRYING if plain in network]
    if carried:
        yield from carried
        return
    yield plain
    if int(plain) > 1:
        yield from (_ipv4(plain, shift) for network, shift in _ALSO_CARRYING if plain in network)
    if plain in _TEREDO:
        yield IPv4Address(int(_ipv4(plain, 0)) ^ _IPV4)
    if (int(plain) >> 32) & _IPV4 in _ISATAP:
        yield _ipv4(plain, 0)


def _ipv4(address: IPv6Address, shift: int) -> IPv4Address:
    return IPv4Address((int(address) >> shift) & _IPV4)

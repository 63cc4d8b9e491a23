"""Connections to Vault that go to no metadata service, whatever the address in the configuration turns into.

The check is made on the connection itself, before anything is sent over it: nothing is resolved twice.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16"))
)
"""Of AWS, Google Cloud, Alibaba Cloud and Azure, beside those in 169.254.0.0/16."""


class ForbiddenPeer(Exception):
    """The address leads to a link-local address or to a metadata service; nothing was sent."""


def is_forbidden(address: str) -> bool:
    """Whether Vault cannot be at this numeric address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return any(each.is_link_local or each in _METADATA for each in (found, mapped) if each is not None)


def checked(peer: socket.socket) -> socket.socket:
    """Return a connected socket.

    Raises:
        ForbiddenPeer: it is connected to where Vault cannot be; it has been closed.
    """
    address = str(peer.getpeername()[0])
    if is_forbidden(address):
        peer.close()
        raise ForbiddenPeer(address)
    return peer


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return checked(super()._new_conn())


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return checked(super()._new_conn())


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


def checked_session() -> requests.Session:
    """Make a session that connects to nothing forbidden."""
    session = requests.Session()
    session.mount("http://", _Adapter())
    session.mount("https://", _Adapter())
    return session

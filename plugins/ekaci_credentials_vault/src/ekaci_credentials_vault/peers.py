"""Connections to Vault that go to the addresses that were judged, whatever its name turns into afterwards."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from ekaci_core.api import EkaciError

Resolve = Callable[[str, int], Sequence[str]]
"""Takes a host and a port, and returns addresses that may be connected to. Raises `EkaciError`."""


class NoWay(Exception):
    """There is no address that may be connected to; ``fault`` says why. Nothing was sent."""

    def __init__(self, fault: EkaciError) -> None:
        """Carry a fault through libraries that know nothing of it."""
        super().__init__(str(fault))
        self.fault: Final = fault


def guarded_session(resolve: Resolve) -> requests.Session:
    """Make a session whose connections all go to addresses that ``resolve`` returned."""
    session = requests.Session()
    session.mount("http://", _Adapter(resolve))
    session.mount("https://", _Adapter(resolve))
    return session


class _Adapter(HTTPAdapter):
    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._resolve)


def _pools(resolve: Resolve) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, resolve)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, resolve)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _connected(connection: HTTPConnection, resolve: Resolve) -> socket.socket:
    """Connect to the first address that answers; the name goes on to be the one that a certificate must have."""
    try:
        addresses = resolve(connection.host, connection.port)
    except EkaciError as fault:
        raise NoWay(fault) from None
    last: OSError = OSError("no address")
    for address in addresses:
        try:
            return create_connection(
                (address, connection.port),
                connection.timeout,
                source_address=connection.source_address,
                socket_options=connection.socket_options,
            )
        except OSError as error:
            last = error
    if isinstance(last, TimeoutError):
        raise ConnectTimeoutError(connection, "no answer in time") from last
    raise NewConnectionError(connection, str(last)) from last

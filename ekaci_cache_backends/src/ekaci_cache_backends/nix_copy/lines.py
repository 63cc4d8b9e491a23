"""Connections that go to addresses that were checked, and nowhere else, and that can be cut while a thread waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakSet

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util import Timeout

Place = tuple[str, int]


class Lines:
    """The connections of one push, or one question."""

    def __init__(self, addresses: Mapping[Place, Sequence[str]]) -> None:
        """Prepare; ``addresses`` are those of each host and port that may be reached."""
        self._addresses = addresses
        self._connections: WeakSet[HTTPConnection] = WeakSet()
        self._lock = threading.Lock()
        self.is_cut = False
        self.afterwards: list[Callable[[], object]] = []
        """Called when all is cut: to let go of what the connections were kept in."""

    def keep(self, connection: HTTPConnection) -> None:
        """Know a connection for as long as somebody has it."""
        with self._lock:
            self._connections.add(connection)

    def connect(self, host: str, port: int, timeout: float | None, options: Sequence[Any]) -> socket.socket:
        """Connect to the first of a host's addresses that answers.

        Raises:
            OSError: none does, or nobody has checked them.
        """
        failure: OSError = PermissionError(f"{host}:{port} is not where this cache is")
        for address in self._addresses.get((host, port), ()):
            try:
                return _connected(address, port, timeout, options)
            except OSError as error:
                failure = error
        raise failure

    def cut(self) -> None:
        """End all connections: whoever waits for one gets an error now."""
        with self._lock:
            self.is_cut = True
            for each in self._connections:
                try:
                    if each.sock is not None:  # that of TLS, where there is TLS: it has taken over the other
                        each.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it had ended by itself
            self._connections.clear()
        for call in self.afterwards:
            call()


def pool_classes(
    lines: Lines,
    plain: type[HTTPConnectionPool] = HTTPConnectionPool,
    tls: type[HTTPSConnectionPool] = HTTPSConnectionPool,
) -> dict[str, type[HTTPConnectionPool]]:
    """Return classes of pools, by scheme, whose connections are these lines."""

    def connect(connection: HTTPConnection) -> socket.socket:
        timeout = Timeout.resolve_default_timeout(connection.timeout)
        lines.keep(connection)
        try:
            return lines.connect(connection.host, connection.port or 0, timeout, connection.socket_options or ())
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, f"no connection to {connection.host} in time") from error
        except OSError as error:
            raise NewConnectionError(connection, f"no connection to {connection.host}: {error}") from error

    def pinned(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        connection: Any = pool.ConnectionCls
        own = type("PinnedConnection", (connection,), {"_new_conn": connect})
        return type("PinnedPool", (pool,), {"ConnectionCls": own})

    return {"http": pinned(plain), "https": pinned(tls)}


def _connected(address: str, port: int, timeout: float | None, options: Sequence[Any]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            made.setsockopt(*option)
        made.settimeout(timeout)
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    return made

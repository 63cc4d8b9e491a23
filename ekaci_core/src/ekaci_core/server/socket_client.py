"""One client at the socket, as the server sees it."""

from __future__ import annotations

import pwd
import socket
import struct
from types import TracebackType
from typing import Final, Self

import anyio
import anyio.lowlevel
import attrs

_CHUNK: Final = 65_536
_CREDENTIALS: Final = "3i"  # process, user and group: unix(7), SO_PEERCRED


class ClientGone(Exception):
    """It went away before it had its answer."""


@attrs.define(eq=False)
class SocketClient:
    """A connection that is closed with its context. It is never waited for but at `read` and `write`."""

    _socket: socket.socket

    def __enter__(self) -> Self:
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def person(self) -> str:
        """Who is at the other end, by the kernel's word: for records of who approved what."""
        size = struct.calcsize(_CREDENTIALS)
        _, user, _ = struct.unpack(_CREDENTIALS, self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        try:
            return pwd.getpwuid(user).pw_name
        except KeyError:
            return f"user {user}"

    async def read(self, most: int) -> bytes | None:
        """Read until it shuts down its half; None where that was more than ``most`` bytes.

        What is too much is read and thrown away: the client writes it all before it reads its answer.

        Raises:
            ClientGone: it went away.
        """
        read, total = bytearray(), 0
        while part := await self._part():
            total += len(part)
            if total <= most:
                read += part
        return bytes(read) if total <= most else None

    async def write(self, data: bytes) -> None:
        """Write all of this, as fast as it is read.

        Raises:
            ClientGone: it went away.
        """
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError as error:
                raise ClientGone(str(error)) from error

    async def _part(self) -> bytes:
        while True:
            try:
                part = self._socket.recv(_CHUNK)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            except OSError as error:
                raise ClientGone(str(error)) from error
            else:
                await anyio.lowlevel.checkpoint()  # who writes without end lets others in between
                return part

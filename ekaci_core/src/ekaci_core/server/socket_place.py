"""Where a server listens for commands: a socket that nobody else has, and that only owner and group may use."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ekaci_core.api import InfrastructureFault, UsageFault

MODE: Final = 0o660
BACKLOG: Final = 256
_ASK_SECONDS: Final = 2.0
_ANOTHER: Final = "stop the other server, or set another unix.socket_path (--socket)"


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen at a path, and remove the socket in the end. One that a dead server has left is replaced.

    Raises:
        UsageFault: another server listens there, something else than a socket is there, or the path is too long.
        InfrastructureFault: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        raise _cannot(path, "the folder of the socket cannot be made", error) from error
    with _alone(path):
        _make_room(path)
        bound = _bound(path)
        identity = _identity(path)
        try:
            yield bound
        finally:
            bound.close()
            if identity is not None and _identity(path) == identity:  # not one that somebody else has put there since
                with suppress(OSError):  # it is replaced at the next start
                    path.unlink()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep a second server from taking the socket away between a look at it and its removal."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _cannot(lock, "the lock of the socket cannot be made", error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageFault("another server listens at this socket", where=str(path), do=_ANOTHER) from None
        yield
    finally:
        os.close(descriptor)


def _make_room(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot(path, "the socket cannot be looked at", error) from error
    if not stat.S_ISSOCK(found.st_mode):
        raise UsageFault(
            "what is there is no socket, and it is not removed", where=str(path), do="set another unix.socket_path"
        )
    if _answers(path):
        raise UsageFault("another program listens at this socket", where=str(path), do=_ANOTHER)
    try:
        path.unlink()
    except OSError as error:
        raise _cannot(path, "the socket of a server that has ended cannot be removed", error) from error


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ASK_SECONDS)
        try:
            asking.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # it is busy, or we may not ask: somebody is there
        return True


def _bound(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        bound.bind(str(path))
        path.chmod(MODE)  # before anybody can connect, which needs `listen`
        bound.listen(BACKLOG)
        bound.setblocking(False)  # noqa: FBT003 - the standard library's
    except OSError as error:
        bound.close()
        if error.errno is None:  # Python's own, for a path over some hundred bytes
            raise UsageFault(f"cannot listen: {error}", where=str(path), do="set a shorter unix.socket_path") from error
        raise _cannot(path, "cannot listen", error) from error
    return bound


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _cannot(path: Path, what: str, error: OSError) -> InfrastructureFault:
    do = "see to its permissions, or set another unix.socket_path"
    return InfrastructureFault(f"{what}: {error.strerror or error}", where=str(path), do=do)

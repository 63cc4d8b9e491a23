"""Nix's archive of a store object, written while it is read.

The format: https://nix.dev/manual/nix/latest/protocols/nix-archive. A tree is walked without recursion, since whoever
built it chose its depth.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Final

import anyio.to_thread

from ekaci_core.api import StorePath

CHUNK: Final = 512 * 1024
"""About the size of each piece."""


class ObjectChanged(Exception):
    """What is in the store is no store object, or changes while it is read."""


async def archive(path: StorePath) -> AsyncIterator[bytes]:
    """Yield the archive in pieces.

    Raises:
        ObjectChanged: it cannot be archived.
        OSError: it cannot be read.
    """
    pieces = _pieces(os.fsencode(path))
    try:
        while piece := await anyio.to_thread.run_sync(next, pieces, b""):
            yield piece
    finally:
        pieces.close()


def _pieces(path: bytes) -> Generator[bytes]:
    kept = bytearray()
    for token in _tokens(path):
        kept += token
        if len(kept) >= CHUNK:
            yield bytes(kept)
            kept.clear()
    if kept:
        yield bytes(kept)


def _tokens(path: bytes) -> Iterator[bytes]:
    yield _text(b"nix-archive-1")
    yield from _opening(path)
    # Folders that are open, each with the names that are still to come.
    folders = [(path, _names(path))] if _is_folder(path) else []
    while folders:
        folder, names = folders[-1]
        if not names:
            folders.pop()
            yield _text(b")")
            if folders:
                yield _text(b")")  # of the entry that it was
            continue
        name = names.pop()
        entry = folder + b"/" + name
        yield b"".join(map(_text, (b"entry", b"(", b"name", name, b"node")))
        yield from _opening(entry)
        if _is_folder(entry):
            folders.append((entry, _names(entry)))
        else:
            yield _text(b")")


def _opening(path: bytes) -> Iterator[bytes]:
    """Yield a node; of a folder only its beginning."""
    status = os.lstat(path)
    yield _text(b"(") + _text(b"type")
    if stat.S_ISDIR(status.st_mode):
        yield _text(b"directory")
    elif stat.S_ISLNK(status.st_mode):
        yield _text(b"symlink") + _text(b"target") + _text(_target(path)) + _text(b")")
    elif stat.S_ISREG(status.st_mode):
        yield _text(b"regular")
        yield from _contents(path)
        yield _text(b")")
    else:
        raise ObjectChanged(f"{os.fsdecode(path)} is neither a file, a folder nor a link")


def _contents(path: bytes) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if status.st_mode & stat.S_IXUSR:
            yield _text(b"executable") + _text(b"")
        yield _text(b"contents") + status.st_size.to_bytes(8, "little")
        left = status.st_size
        while left:
            piece = file.read(min(left, CHUNK))
            if not piece:
                raise ObjectChanged(f"{os.fsdecode(path)} became shorter while it was read")
            left -= len(piece)
            yield piece
        yield _padding(status.st_size)


def _is_folder(path: bytes) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)


def _names(path: bytes) -> list[bytes]:
    with os.scandir(path) as entries:
        return sorted((entry.name for entry in entries), reverse=True)


def _target(path: bytes) -> bytes:
    return os.readlink(path)  # noqa: PTH115 - names are bytes


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + _padding(len(text))


def _padding(length: int) -> bytes:
    return bytes(-length % 8)

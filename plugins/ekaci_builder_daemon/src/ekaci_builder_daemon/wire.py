"""Words and texts of the worker protocol. Sans-IO: bytes are fed as they come, and read as far as they go.

Everything is made of words of 64 bits, the lowest byte first; a text is its length and its bytes, filled up with zeros
to whole words (https://github.com/NixOS/nix/blob/master/src/libutil/serialise.cc). What reads is a generator: it yields
where bytes are missing, and returns what it has read.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterable
from typing import Final, TypeVar

_WORD: Final = struct.Struct("<Q")
_WORD_BYTES: Final = 8

TEXT_BYTES: Final = 1024 * 1024
"""Longest text that is kept whole: as long as the longest line of a log."""

MOST_TEXT_BYTES: Final = 4 * 1024**3
"""No text of a daemon in its right mind is longer."""

Value = TypeVar("Value")
Reading = Generator[None, None, Value]
"""Reads a value; yields where bytes are missing."""


class Unreadable(Exception):
    """What the daemon says is not the protocol."""


class Inbox:
    """What has come and was not read yet."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Take what came."""
        if self._at:
            del self._data[: self._at]
            self._at = 0
        self._data += data

    @property
    def is_empty(self) -> bool:
        """Whether all has been read."""
        return self._at == len(self._data)

    def word(self) -> Reading[int]:
        """Read a number."""
        while len(self._data) - self._at < _WORD_BYTES:
            yield
        (number,) = _WORD.unpack_from(self._data, self._at)
        self._at += _WORD_BYTES
        return int(number)

    def count(self, most: int, what: str) -> Reading[int]:
        """Read how many of something follow.

        Raises:
            Unreadable: they are more than ``most``.
        """
        number = yield from self.word()
        if number > most:
            raise Unreadable(f"it announced {number} {what}")
        return number

    def data(self, keep: int = TEXT_BYTES) -> Reading[tuple[bytes, bool]]:
        """Read bytes; of very many ``keep``, and whether that cut them.

        Raises:
            Unreadable: they are impossibly many, or not filled up with zeros.
        """
        size = yield from self.count(MOST_TEXT_BYTES, "bytes of text")
        kept = yield from self._bytes(min(size, keep))
        skipped = size - len(kept)
        while skipped:
            if self.is_empty:
                yield
            step = min(skipped, len(self._data) - self._at)
            self._at += step
            skipped -= step
        if any((yield from self._bytes(-size % _WORD_BYTES))):
            raise Unreadable("a text was not filled up with zeros")
        return kept, size > len(kept)

    def text(self, keep: int = TEXT_BYTES) -> Reading[str]:
        """Read a text; of a very long one the beginning."""
        data, _ = yield from self.data(keep)
        return data.decode(errors="replace")

    def _bytes(self, size: int) -> Reading[bytes]:
        while len(self._data) - self._at < size:
            yield
        data = bytes(self._data[self._at : self._at + size])
        self._at += size
        return data


def word(number: int) -> bytes:
    """Write a number, or a truth."""
    return _WORD.pack(number)


def text(value: str) -> bytes:
    """Write a text, with undecodable bytes of a file's name as they were."""
    data = value.encode(errors="surrogateescape")
    return _WORD.pack(len(data)) + data + bytes(-len(data) % _WORD_BYTES)


def texts(values: Iterable[str]) -> bytes:
    """Write several texts."""
    listed = list(values)
    return word(len(listed)) + b"".join(map(text, listed))

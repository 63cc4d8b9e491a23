"""Build logs on disk: bounded, head and tail kept, and their end read without reading the rest."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from ekaci_core.process.plain import plain, plain_end

LOG_BYTES: Final = 128 * 1024 * 1024
"""Longest log that is kept whole."""

TAIL_BYTES: Final = 1024 * 1024
"""Of a longer log, how much of its end is kept."""

_READ_BYTES: Final = 256 * 1024
_READ_CHUNKS: Final = 16


class BuildLog:
    """Writes one log. What goes over the limit is held back, and only the end of that is written, on closing."""

    def __init__(self, path: Path, *, limit: int = LOG_BYTES, tail: int = TAIL_BYTES) -> None:
        """Begin the log at ``path``, forgetting an earlier one; its directory is made if it is not there.

        Raises:
            OSError: it cannot be opened. Writing and closing raise it too, for instance when the disk is full.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._room = max(limit - tail, 0)
        self._tail_limit = tail
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0
        self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        """Append to the log; it is on its way to the disk before this returns, so that others can follow it."""
        head = data[: self._room]
        if head:
            self._room -= len(head)
            self._file.write(head)
            self._file.flush()
        if len(head) < len(data):
            self._hold_back(data[len(head) :])

    def close(self) -> None:
        """Write what was held back, with a line that says how much is missing, and close the file."""
        try:
            if self._dropped:
                self._file.write(b"\n[%d bytes of this log were left out here]\n" % self._dropped)
            self._file.writelines(self._tail)
        finally:
            self._tail.clear()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hold_back(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size > self._tail_limit:
            excess = self._tail_size - self._tail_limit
            first = self._tail.popleft()
            gone = min(excess, len(first))
            if gone < len(first):
                self._tail.appendleft(first[gone:])
            self._tail_size -= gone
            self._dropped += gone


def tail(path: Path, lines: int = 30) -> tuple[str, ...]:
    """Return the last lines of a log, fit for showing; none where there is no log.

    Reads only the end of the file. Escape sequences and control characters are gone, of a line that was rewritten
    with carriage returns the last version stands. An overlong line is cut: where its beginning is too far away, its
    end stands, after an ellipsis.
    """
    try:
        with path.open("rb") as log:
            data, whole = _end_of(log, lines)
    except FileNotFoundError:
        return ()
    if not data or lines <= 0:
        return ()
    found = data.removesuffix(b"\n").split(b"\n")
    shown = [plain(line.decode(errors="replace")) for line in found[-lines:]]
    if not whole and len(found) <= lines:
        shown[0] = plain_end(found[0].decode(errors="replace").lstrip("\ufffd"))
    return tuple(shown)


def _end_of(log: BinaryIO, lines: int) -> tuple[bytes, bool]:
    """Read so much of the end that it has the lines, unless they are overlong; say whether that is all there is."""
    start = log.seek(0, os.SEEK_END)
    chunks: list[bytes] = []
    newlines = 0
    while start and newlines <= lines and len(chunks) < _READ_CHUNKS:
        size = min(start, _READ_BYTES)
        start = log.seek(start - size)
        chunks.append(log.read(size))
        newlines += chunks[-1].count(b"\n")
    return b"".join(reversed(chunks)), start == 0

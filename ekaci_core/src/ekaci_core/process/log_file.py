"""Build logs on disk: bounded, head and tail kept, and their end read without reading the rest."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ekaci_core.process.plain import plain

LOG_BYTES: Final = 128 * 1024 * 1024
"""Longest log that is kept whole."""

TAIL_BYTES: Final = 1024 * 1024
"""Of a longer log, how much of its end is kept."""

_READ_BYTES: Final = 256 * 1024


class BuildLog:
    """Writes one log. What goes over the limit is held back, and only the end of that is written, on closing."""

    def __init__(self, path: Path, *, limit: int = LOG_BYTES, tail: int = TAIL_BYTES) -> None:
        """Begin the log at ``path``, forgetting an earlier one; its directory must exist.

        Raises:
            OSError: it cannot be opened. Writing and closing raise it too, for instance when the disk is full.
        """
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
    with carriage returns the last version stands, and overlong lines are cut.
    """
    try:
        with path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            start = max(size - _READ_BYTES, 0)
            log.seek(start)
            data = log.read(_READ_BYTES)
    except FileNotFoundError:
        return ()
    if not data:
        return ()
    found = data.removesuffix(b"\n").split(b"\n")
    if start and len(found) > 1:
        del found[0]  # most likely the end of a line
    return tuple(plain(line.decode(errors="replace")) for line in found[-lines:]) if lines > 0 else ()

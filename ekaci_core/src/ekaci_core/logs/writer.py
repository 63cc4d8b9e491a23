"""Writes a log, of which the disk never holds more than a limit: head, and the end in a ring of segments."""

from __future__ import annotations

import errno
import os
import sys
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ekaci_core.logs.files import LogFiles, earlier_locked, lock, stands_at
from ekaci_core.telemetry import REDACTOR

LOG_BYTES: Final = 128 * 1024 * 1024
"""Longest log that is kept whole."""

TAIL_BYTES: Final = 16 * 1024 * 1024
"""Of a longer log, how much of its end is kept; between seven eighths of it and all."""

_SEGMENTS: Final = 8
_CLOSED: Final = -1
_APPENDING: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class BuildLog:
    """Writes one log. What is written can be read at once, and stays when the process is killed.

    Secrets of this process are masked; once there are any, a word that is not ended is held back until it is.
    """

    def __init__(self, path: Path, *, limit: int = LOG_BYTES, tail: int | None = None) -> None:
        """Begin the log at ``path``; its directory is made if it is not there. An earlier log is readable until then.

        A device, such as ``/dev/null``, is written to as it is: it is never replaced, and there are no segments.

        Args:
            path: the plain file by which the log is known.
            limit: so many bytes are kept at most.
            tail: so many of those are for the end of a longer log, `TAIL_BYTES` or an eighth of the limit otherwise.

        Raises:
            LogInUse: another one writes it.
            OSError: it cannot be opened. Writing raises it too, for instance when the disk is full.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        tail = min(TAIL_BYTES, limit // 8) if tail is None else tail
        self._files = LogFiles(path)
        self._segment_bytes = max(tail // _SEGMENTS, 1)
        self._left = max(limit - _SEGMENTS * self._segment_bytes, 0)
        self._segments: deque[int] = deque()
        self._size = 0
        self._masking = REDACTOR.stream()
        if path.is_char_device():
            self._left = sys.maxsize
            self._file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        else:
            self._file = self._begin()
        self._lock = os.dup(self._file)  # which is of the head, as long as it is open

    def write(self, data: bytes) -> None:
        """Append to the log; it has been handed to the kernel before this returns."""
        self._append(self._masking.feed(data))

    def close(self) -> None:
        """End the log; a second time nothing happens."""
        if self._file == _CLOSED:
            return
        try:
            self._append(self._masking.end())
        finally:
            file, self._file = self._file, _CLOSED
            try:
                os.close(file)
            finally:
                os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            if not self._left:
                self._next_segment()
            written = os.write(self._file, rest[: self._left])
            self._left -= written
            self._size += written
            rest = rest[written:]

    def _begin(self) -> int:
        """Put an empty log in the place of the earlier one: at each step, one of the two can be read."""
        plain = self._files.plain
        if plain.exists() and not plain.is_file():  # renaming would put a file in its place
            raise FileExistsError(errno.EEXIST, "something that is no file is in the place of the log", str(plain))
        file = self._new()
        try:
            with earlier_locked(plain):
                for _, path in self._files.segments():
                    path.unlink()
                self._files.begun.rename(plain)
                self._files.sealed.unlink(missing_ok=True)
        except OSError:
            if stands_at(file, self._files.begun):
                self._files.begun.unlink()
            os.close(file)
            raise
        return file

    def _new(self) -> int:
        """Make the file that is to take the place, with its lock: that keeps others from beginning, too."""
        while True:
            file = os.open(self._files.begun, _APPENDING, 0o666)
            try:
                lock(file, self._files.plain)
                if stands_at(file, self._files.begun):
                    os.truncate(file, 0)
                    return file
            except OSError:
                os.close(file)
                raise
            os.close(file)  # somebody else's, and in its place by now

    def _next_segment(self) -> None:
        following = os.open(self._files.segment(self._size), _APPENDING | os.O_TRUNC, 0o666)
        os.close(self._file)
        self._file = following
        self._left = self._segment_bytes
        self._segments.append(self._size)
        if len(self._segments) > _SEGMENTS:
            self._files.segment(self._segments.popleft()).unlink()

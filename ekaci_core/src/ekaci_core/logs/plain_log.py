"""A plain log as it is at one moment: head, what was left out, and the segments of its end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs

from ekaci_core.logs.files import READING, LogFiles, stands_at

_TRIES: Final = 5


def left_out(count: int) -> bytes:
    """Return the line that stands for so many bytes."""
    return b"[%d bytes of this log were left out here]\n" % count


@attrs.frozen
class Part:
    """An open file with the bytes of a log from ``start`` on; ``size`` when it was looked at."""

    descriptor: int
    start: int
    size: int

    @property
    def end(self) -> int:
        """Where the next one should start."""
        return self.start + self.size


class PlainLog:
    """A snapshot of a plain log. What is removed afterwards can still be read through it."""

    newlines: Final = None

    def __init__(self, path: Path) -> None:
        """Open the log.

        Raises:
            FileNotFoundError: there is no plain log.
            OSError: it cannot be read.
        """
        self.path = path
        self._open = ExitStack()
        try:
            self.parts = self._look()
            self.resumes = 0, 0  # as of an index
            self._pieces = list(self._laid_out())
        except OSError:
            self.close()
            raise
        self.size = self._pieces[-1][0] + self._pieces[-1][1]

    def close(self) -> None:
        """Close its files."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def written_at_ns(self) -> int:
        """When it was written last, in nanoseconds since the epoch."""
        return max(os.fstat(part.descriptor).st_mtime_ns for part in self.parts)

    @property
    def head(self) -> int:
        """The open file of the head."""
        return self.parts[0].descriptor

    @property
    def status(self) -> os.stat_result:
        """What the system says of the head's file."""
        return os.fstat(self.head)

    def is_current(self) -> bool:
        """Whether this is the log that stands there, rather than one that was replaced or removed."""
        return stands_at(self.head, self.path)

    def read(self, start: int, size: int) -> bytes:
        """Return at most ``size`` bytes from ``start``, fewer only at the end."""
        found = []
        for at, length, piece in self._pieces:
            first, last = max(start, at), min(start + size, at + length)
            if first >= last:
                continue
            if isinstance(piece, Part):
                found.append(_pread(piece.descriptor, last - first, first - at))
            else:
                found.append(piece[first - at : last - at])
        return b"".join(found)

    def before_line(self, number: int) -> tuple[int, int]:  # noqa: ARG002 - a sealed log can say more
        """Return a place before that line, and how many newlines stand before the place: here, the beginning."""
        return 0, 0

    def _look(self) -> list[Part]:
        """Open head, then segments: a new attempt removes them in the reverse order."""
        head = self._opened(self.path, self._open)
        if stat.S_ISDIR(os.fstat(head).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path))
        segments: list[tuple[int, int]] = []
        for last in range(1 - _TRIES, 1):
            with ExitStack() as opened:
                try:
                    segments = [(start, self._opened(path, opened)) for start, path in LogFiles(self.path).segments()]
                except FileNotFoundError:
                    segments = []
                    continue  # the ring went on
                # Sizes only now: each file but the last had its final one before the next was made.
                parts = _measured(segments)
                if last == 0 or all(part.end == following.start for part, following in pairwise(parts)):
                    self._open.push(opened.pop_all())
                    break
        return _measured([(0, head), *segments])

    def _opened(self, path: Path, stack: ExitStack) -> int:
        descriptor = os.open(path, READING)
        stack.callback(os.close, descriptor)
        return descriptor

    def _laid_out(self) -> Iterator[tuple[int, int, Part | bytes]]:
        """Yield where each piece stands in what is read, how long it is, and what it is."""
        at = 0
        for number, part in enumerate(self.parts):
            if number and (gap := part.start - self.parts[number - 1].end) > 0:
                mark = self._line_end(self.parts[number - 1]) + left_out(gap)
                yield at, len(mark), mark
                at += len(mark)
                self.resumes = at, part.start
            yield at, part.size, part
            at += part.size

    def _line_end(self, part: Part) -> bytes:
        last = os.pread(part.descriptor, 1, part.size - 1) if part.size else b"\n"
        return b"" if last == b"\n" else b"\n"


def _measured(files: Sequence[tuple[int, int]]) -> list[Part]:
    return [Part(descriptor, start, os.fstat(descriptor).st_size) for start, descriptor in files]


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    data = os.pread(descriptor, size, offset)
    while len(data) < size and (more := os.pread(descriptor, size - len(data), offset + len(data))):
        data += more
    return data

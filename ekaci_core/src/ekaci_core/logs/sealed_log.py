"""Reads a sealed log, of which only those frames are decompressed that are asked for."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ekaci_core.logs.frames import INDEX_BYTES, BadFrames, Index
from ekaci_core.model.errors import InfrastructureFault

_FRAMES_HELD: Final = 2


class DamagedLog(InfrastructureFault):
    """A compressed log that cannot be read."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"this log is damaged: {what}",
            where=str(path),
            do="`gzip --decompress --stdout` may still show a part of it; `nix log` may have the log as well.",
        )


class SealedLog:
    """An open sealed log."""

    def __init__(self, path: Path) -> None:
        """Open the file and read its index.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read.
            DamagedLog: it is not what was sealed.
        """
        self._path = path
        self._file = path.open("rb", buffering=0)
        try:
            self._index = Index.parse(self._file.read(INDEX_BYTES), os.fstat(self._file.fileno()).st_size)
        except BadFrames as error:
            self.close()
            raise DamagedLog(path, str(error)) from error
        except OSError:
            self.close()
            raise
        self.size = self._index.size
        self.resumes = self._index.resumes
        self._held: deque[tuple[int, bytes]] = deque(maxlen=_FRAMES_HELD)

    @property
    def newlines(self) -> int:
        """How many newlines it has."""
        return self._index.newlines[-1]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, start: int, size: int) -> bytes:
        """Return at most ``size`` bytes from ``start``, fewer only at the end.

        Raises:
            DamagedLog: a frame is not what was sealed.
        """
        end, length = min(start + size, self.size), self._index.length
        found = []
        while start < end:
            number, offset = divmod(start, length)
            found.append(self._frame(number)[offset : offset + end - start])
            start += len(found[-1])
        return b"".join(found)

    def before_line(self, number: int) -> tuple[int, int]:
        """Return a place before that line, and how many newlines stand before the place."""
        if not 1 < number <= self.newlines + 1:
            return (0, 0) if number <= 1 else (self.size, self.newlines)
        frame = self._index.frame_of_line(number)
        return frame * self._index.length, self._index.newlines[frame]

    def _frame(self, number: int) -> bytes:
        for held, data in self._held:
            if held == number:
                return data
        packed = os.pread(self._file.fileno(), self._index.frames[number].packed, self._index.offsets[number])
        try:
            data = self._index.unpack(number, packed)
        except BadFrames as error:
            raise DamagedLog(self._path, str(error)) from error
        self._held.append((number, data))
        return data

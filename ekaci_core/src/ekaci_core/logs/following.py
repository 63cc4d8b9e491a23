"""Follows a log while it is written."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Final, Self

from ekaci_core.logs.files import LogFiles, is_live
from ekaci_core.logs.plain_log import PlainLog, left_out
from ekaci_core.logs.sealed_log import SealedLog

_CHUNK_BYTES: Final = 256 * 1024


class Follower:
    """Reads on from where a snapshot ended. Whoever uses it waits in between."""

    def __init__(self, log: PlainLog) -> None:
        """Take over an open log, from the end of what it shows."""
        self.ended = False
        self._log = log
        self._at = log.parts[-1].end

    def read(self) -> bytes:
        """Return what has come, nothing where there is nothing yet, or `ended`: nobody writes this log any more.

        Where the writer has gone round its ring faster than this was called, a line says how much is missing.

        Raises:
            OSError: the log cannot be read.
            DamagedLog: it was compressed meanwhile, and that is not what was written.
        """
        live = self._log.is_current() and is_live(self._log.path)  # looked at first: after that nothing is written
        data = self._read()
        if not data and self._renew():
            data = self._read()
        if not data and not live:
            data = self._read_sealed()
            self.ended = not data
        return data

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> bytes:
        for part in self._log.parts:
            if self._at < part.start:
                gap, self._at = part.start - self._at, part.start
                return left_out(gap)
            data = os.pread(part.descriptor, _CHUNK_BYTES, self._at - part.start)
            if data:
                self._at += len(data)
                return data
        return b""

    def _read_sealed(self) -> bytes:
        """Read what stood in segments that were made and sealed since the last look."""
        if self._log.path.exists():
            return b""
        try:
            log = SealedLog(LogFiles(self._log.path).sealed)
        except FileNotFoundError:
            return b""
        with log:
            here, began = log.resumes
            if self._at < began:
                gap, self._at = began - self._at, began
                return left_out(gap)
            data = log.read(here + self._at - began, _CHUNK_BYTES)
            self._at += len(data)
            return data

    def _renew(self) -> bool:
        """Look for new segments; none where the log was replaced or sealed meanwhile."""
        try:
            log = PlainLog(self._log.path)
        except FileNotFoundError:
            return False
        if not os.path.samestat(log.status, self._log.status):
            log.close()
            return False
        self._log.close()
        self._log = log
        return True

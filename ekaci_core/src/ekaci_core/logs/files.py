"""The files of one build's log, and who may touch them.

All stand in a folder of their own, here for a log named ``build.log``:

- ``build.log``: the log, plain; of one that is longer than its writer keeps, the head.
- ``build.log.<20 digits>``: a segment of the end of such a log; the digits say at which byte of it.
- ``build.log.gz``: the whole, sealed. While the plain file is there too, that one counts.
- ``build.log.new`` and ``build.log.gz.<letters>.new``: begun, and not to be read.

A lock on the folder (``flock``) is held by whoever writes the log, for as long as it writes; the kernel takes it back
from a process that is killed.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

_DIGITS: Final = 20
_POLL_SECONDS: Final = 0.005
_PATIENCE_SECONDS: Final = 0.5


def log_of(logs_dir: Path, hash_part: str) -> Path:
    """Return the plain file by which the log of the derivation with this hash is known."""
    return logs_dir / hash_part / "build.log"


@attrs.frozen
class LogFiles:
    """The names of a log's files. ``plain`` is the one by which it is known."""

    plain: Path

    @property
    def sealed(self) -> Path:
        """The compressed form."""
        return self._beside(".gz")

    @property
    def begun(self) -> Path:
        """A plain log that is about to take its place."""
        return self._beside(".new")

    def segment(self, start: int) -> Path:
        """The file of the bytes from ``start`` on."""
        return self._beside(f".{start:0{_DIGITS}d}")

    def segments(self) -> list[tuple[int, Path]]:
        """List the segments that are there, by where they start.

        Raises:
            OSError: the folder cannot be read.
        """
        name = re.compile(re.escape(self.plain.name) + rf"\.(\d{{{_DIGITS}}})")
        found = [(match, path) for path in self.plain.parent.iterdir() if (match := name.fullmatch(path.name))]
        return sorted((int(match[1]), path) for match, path in found)

    def unfinished(self) -> list[Path]:
        """List what somebody began and, if nobody holds the lock, will not finish.

        Raises:
            OSError: the folder cannot be read.
        """
        return list(self.plain.parent.glob(f"{glob.escape(self.plain.name)}.*new"))

    def stored(self) -> Path | None:
        """Return the file in which a person finds the log, None where there is none."""
        return next((path for path in (self.plain, self.sealed) if path.exists()), None)

    def _beside(self, suffix: str) -> Path:
        return self.plain.with_name(self.plain.name + suffix)


class LogInUse(OSError):
    """Another writer has this log."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EWOULDBLOCK, "another build is writing it", str(path))


class WriterLock:
    """The right to write the log of one folder, and to take files out of it."""

    def __init__(self, log: Path) -> None:
        """Take the lock. Sealing holds it for an instant only, which is waited for.

        Raises:
            LogInUse: somebody writes the log.
            OSError: there is no such folder.
        """
        self._descriptor = os.open(log.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        until = time.monotonic() + _PATIENCE_SECONDS
        while not _locked(self._descriptor, fcntl.LOCK_EX):
            if time.monotonic() > until:
                os.close(self._descriptor)
                raise LogInUse(log)
            time.sleep(_POLL_SECONDS)

    def release(self) -> None:
        """Give it back."""
        os.close(self._descriptor)


@contextmanager
def writer_lock(log: Path) -> Iterator[None]:
    """Hold the lock for a moment.

    Raises:
        LogInUse: somebody writes the log.
    """
    lock = WriterLock(log)
    try:
        yield
    finally:
        lock.release()


def is_live(log: Path) -> bool:
    """Whether somebody writes the log now.

    Raises:
        OSError: its folder cannot be opened; one that is missing is not live.
    """
    try:
        descriptor = os.open(log.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

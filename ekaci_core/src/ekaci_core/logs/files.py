"""The files of one build's log, and who may touch them.

They stand beside each other, here for a log named ``build.log``:

- ``build.log``: the log, plain; of one that is longer than its writer keeps, the head.
- ``build.log.<20 digits>``: a segment of the end of such a log; the digits say at which byte of it.
- ``build.log.gz``: the whole, sealed. While the plain file is there too, that one counts.
- ``build.log.new`` and ``build.log.gz.<letters>.new``: begun, and not to be read.

A lock on the plain file (``flock``) is held by whoever writes the log, for as long as it writes; the kernel takes it
back from a process that is killed. Who takes files out of the log's place, to seal it or to begin anew, holds it too.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import attrs

READING: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # else a pipe in the place of a log would be waited for
"""How a plain log is opened to look at it."""

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


def lock(descriptor: int, log: Path) -> None:
    """Take the lock through an open file. Sealing holds it for an instant only, which is waited for.

    Raises:
        LogInUse: somebody writes the log.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while not _locked(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > until:
            raise LogInUse(log)
        time.sleep(_POLL_SECONDS)


@contextmanager
def locked(descriptor: int, log: Path) -> Iterator[None]:
    """Hold the lock for a moment.

    Raises:
        LogInUse: somebody writes the log.
    """
    lock(descriptor, log)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def earlier_locked(log: Path) -> Iterator[None]:
    """Hold the lock of the plain file that stands there, if there is one.

    Raises:
        LogInUse: somebody writes it.
        OSError: it cannot be opened.
    """
    with ExitStack() as stack:
        while True:
            try:
                descriptor = os.open(log, READING)
            except FileNotFoundError:
                break
            stack.callback(os.close, descriptor)
            lock(descriptor, log)
            if stands_at(descriptor, log):
                break
        yield


def stands_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_live(log: Path) -> bool:
    """Whether somebody writes the log now.

    Raises:
        OSError: it cannot be opened; one that is missing is not live.
    """
    try:
        descriptor = os.open(log, READING)
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

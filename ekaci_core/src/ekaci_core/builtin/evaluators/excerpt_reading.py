"""Hurrying a Nix before 2.13 past the slowest thing it does.

When it prints an error it shows the line of source. To find it, it reads the file from its beginning with one system
call *per byte*: half a second for an error at the end of a large file, three quarters of the time of a whole package
set with a few hundred such errors. So while a worker does that, we move the read position of that very file to its
end. Nix takes the early end of file as a reason to leave the excerpt out, and we add it ourselves (`nix.excerpts`).

The descriptor is ours as much as Nix's (``pidfd_getfd``, Linux 5.6), and it is moved only if its offset was seen twice
inside the file, a little apart, neither time on a page boundary. Reading with more than one byte at a time,
which is how Nix reads everything that goes into a result, never looks like that: whole files come in one call, large
ones in blocks of 64 KiB. Where the kernel says no, everything works as before, only slower.
"""

from __future__ import annotations

import ctypes
import os
import re
import time
from typing import Final

SLOW_BEFORE: Final = (2, 13)
"""The first Nix that reads files as a whole here."""

_PIDFD_GETFD: Final = 438  # the same number on every architecture
_PAGE: Final = 4096
_MOMENT: Final = 0.0003
_CALLS: Final = re.compile(rb"^syscr: (\d+)$", re.MULTILINE)
_MANY_CALLS: Final = 100


class ExcerptReading:
    """Watches one process. ``skipped`` counts what was cut short."""

    def __init__(self, pid: int) -> None:
        self._folder = f"/proc/{pid}/fd"
        self.skipped = 0
        self._counters = f"/proc/{pid}/io"
        self._calls = 0
        self._pidfd = -1
        try:
            self._pidfd = os.pidfd_open(pid)
            self._libc = ctypes.CDLL(None)
        except (AttributeError, OSError):
            return  # not Linux, or a kernel without

    def close(self) -> None:
        """Let go of the process."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def hurry(self) -> None:
        """Cut the reading of an excerpt short, if one is under way. Takes well under a millisecond."""
        if self._pidfd < 0 or not self._reads_much():
            return None
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - called hundreds of times a second
        except OSError:
            return self.close()
        for name in names:
            try:
                target = os.readlink(f"{self._folder}/{name}")  # noqa: PTH115
            except OSError:
                continue  # closed meanwhile
            if target.endswith(".nix"):
                self._skip(int(name))
        return None

    def _reads_much(self) -> bool:
        # One small file instead of a directory of links: nearly always this says that there is nothing to do.
        try:
            descriptor = os.open(self._counters, os.O_RDONLY)
        except OSError:
            return True  # a kernel that does not count
        try:
            found = _CALLS.search(os.read(descriptor, _PAGE))
        except OSError:
            return True
        finally:
            os.close(descriptor)
        before, self._calls = self._calls, int(found[1]) if found else 0
        return found is None or self._calls - before > _MANY_CALLS

    def _skip(self, number: int) -> None:
        ours = self._libc.syscall(_PIDFD_GETFD, self._pidfd, number, 0)
        if ours < 0:
            return
        try:
            size = os.fstat(ours).st_size
            first = os.lseek(ours, 0, os.SEEK_CUR)
            time.sleep(_MOMENT)
            second = os.lseek(ours, 0, os.SEEK_CUR)
            slowly = 0 < second - first < _PAGE
            if first > 0 and second < size and slowly and first % _PAGE and second % _PAGE:
                os.lseek(ours, 0, os.SEEK_END)
                self.skipped += 1
        except OSError:
            return  # not a file that has a position
        finally:
            os.close(ours)

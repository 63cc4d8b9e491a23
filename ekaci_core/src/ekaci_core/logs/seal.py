"""Compresses a log that nobody writes any more. At each step, the plain form or the sealed one can be read."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from ekaci_core.logs.files import LogFiles, LogInUse, is_live, locked
from ekaci_core.logs.frames import Frame, Index, frame_bytes, index_bytes, pack
from ekaci_core.logs.plain_log import PlainLog

SEAL_FROM_BYTES: Final = 4096
"""A shorter log stays plain: it takes one block of the disk either way."""


def seal(path: Path, *, stopped: Callable[[], bool] = lambda: False) -> bool:
    """Compress the log at ``path``, durably, and remove its plain form.

    Args:
        path: the plain file by which the log is known.
        stopped: asked now and then; once it is true, the log is left as it is.

    Returns:
        Whether that happened: not if there is no plain log, it is short, somebody writes it or began a new one.

    Raises:
        OSError: a file cannot be read, written, synced or removed; the log is as readable as before.
    """
    try:
        log = PlainLog(path)
    except FileNotFoundError:
        return False
    with log:
        if log.size < SEAL_FROM_BYTES or is_live(path):
            return False
        descriptor, begun = tempfile.mkstemp(prefix=f"{path.name}.gz.", suffix=".new", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if not _compress(log, file, stopped):
                    return False
            return _replace(log, Path(begun))
        finally:
            Path(begun).unlink(missing_ok=True)


def sweep_unfinished(path: Path) -> None:
    """Remove what a crash left of sealing and beginning a log; only for who is alone with it.

    Raises:
        OSError: a file cannot be removed.
    """
    files = LogFiles(path)
    left = files.unfinished()
    if files.sealed.exists() and not path.exists():
        left += [segment for _, segment in files.segments()]
    for each in left:
        each.unlink(missing_ok=True)


def _compress(log: PlainLog, file: BinaryIO, stopped: Callable[[], bool]) -> bool:
    frames: list[Frame] = []
    length = frame_bytes(log.size)
    file.seek(index_bytes(log.size))
    for start in range(0, log.size, length):
        if stopped():
            return False
        packed, frame = pack(log.read(start, length))
        file.write(packed)
        frames.append(frame)
    file.seek(0)
    file.write(Index.of(log.size, frames, log.resumes).pack())
    file.flush()
    os.fchmod(file.fileno(), stat.S_IMODE(log.status.st_mode))
    os.utime(file.fileno(), ns=(log.written_at_ns, log.written_at_ns))  # retention goes by when it was written
    os.fsync(file.fileno())
    return True


def _replace(log: PlainLog, begun: Path) -> bool:
    """Take the place of the plain log, unless a new attempt has begun: that removes what is sealed, and writes anew."""
    files = LogFiles(log.path)
    try:
        with locked(log.head, log.path):
            if not log.is_current():
                return False
            begun.rename(files.sealed)
        _sync(log.path.parent)
        with locked(log.head, log.path):
            if not log.is_current():
                return False
            files.plain.unlink()  # before its segments: a head without them is no longer the whole
            for _, segment in files.segments():
                segment.unlink()
    except LogInUse:
        return False
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

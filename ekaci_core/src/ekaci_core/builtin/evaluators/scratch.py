"""A folder for what an evaluation writes for itself; what a killed one left goes with the next."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PREFIX: Final = "ekaci-evaluation-"
_MEMORY: Final = "/dev/shm"  # noqa: S108 - the folders made in it are private
# Between being made and being locked a folder looks like one that somebody left.
_YOUNG_SECONDS: Final = 60


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a private folder for as long as the context is open, and remove those of processes that are gone.

    It is in memory where there is a place for that: on a disk, making a file waits for the journal that Nix's database
    keeps busy.

    Args:
        parent: where; None to choose.
    """
    place = parent or _place()
    _prune(place)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    lock = _locked(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _place() -> Path:
    return Path(_MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else tempfile.gettempdir())


def _locked(folder: Path) -> int | None:
    """Lock a folder; None if somebody holds it, or it is no folder. The kernel unlocks it when its process ends."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _prune(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            facts = folder.lstat()
        except OSError:
            continue  # somebody else was faster
        if facts.st_uid != os.geteuid() or time.time() - facts.st_mtime < _YOUNG_SECONDS:
            continue
        lock = _locked(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

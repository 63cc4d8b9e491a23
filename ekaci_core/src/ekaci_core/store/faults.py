"""SQLite's errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ekaci_core.model.errors import InfrastructureFault

_MEANINGS: Final = {
    "SQLITE_FULL": ("no space is left for the database", "Make room on its file system, then run again."),
    "SQLITE_IOERR": (
        "the database cannot be read or written",
        "Check the free space and quota of its file system, and the disk, then run again.",
    ),
    "SQLITE_BUSY": (
        "the database was locked by another process for longer than a minute",
        "Wait for the other EkaCI to end, or find out what holds the file open.",
    ),
    "SQLITE_CORRUPT": ("the database is damaged", "Move the file away; EkaCI begins a new one."),
    "SQLITE_NOTADB": ("this is not a database", "Move the file away; EkaCI begins a new one."),
    "SQLITE_CANTOPEN": (
        "the database cannot be opened",
        "Check that the directory exists and that you may read and write in it.",
    ),
    "SQLITE_READONLY": ("the database is read-only", "Check the permissions of the file, its directory and its mount."),
    "SQLITE_PERM": ("the database may not be accessed", "Check the permissions of the file and its directory."),
    "SQLITE_NOMEM": ("no memory is left for the database", "End other programs, or use a larger machine."),
}
_SAME: Final = {"SQLITE_LOCKED": "SQLITE_BUSY", "SQLITE_AUTH": "SQLITE_PERM", "SQLITE_PROTOCOL": "SQLITE_BUSY"}


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether another connection stood in the way."""
    return _primary_name(error) == "SQLITE_BUSY"


def fault_of(error: sqlite3.Error, where: str) -> InfrastructureFault | None:
    """Say what an error means for people; None for those that only a fault of ours can cause."""
    meaning = _MEANINGS.get(_primary_name(error))
    if meaning is None:
        return None
    what, do = meaning
    return InfrastructureFault(f"{what} ({error})", where=where, do=do)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn errors of the machine into faults that name the file.

    Raises:
        InfrastructureFault: the machine is at fault; other errors pass.
    """
    try:
        yield
    except sqlite3.Error as error:
        fault = fault_of(error, where)
        if fault is None:
            raise
        raise fault from error


def _primary_name(error: sqlite3.Error) -> str:
    # Extended codes are names with a suffix: SQLITE_IOERR_WRITE.
    name = getattr(error, "sqlite_errorname", None) or ""
    primary = "_".join(name.split("_")[:2])
    return _SAME.get(primary, primary)

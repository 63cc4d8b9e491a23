"""Bring a database to the schema of this version, by numbered files that are never edited once released."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib import resources
from typing import Final

import attrs

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.store.connection import BUSY_TIMEOUT_SECONDS, immediate
from ekaci_core.store.faults import is_busy

APPLICATION_ID: Final = 0x656B6143  # "ekaC", in the header of the file
_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_BUSY_PAUSE_SECONDS: Final = 0.05
_OLDEST_SQLITE: Final = (3, 37, 0)  # the first with STRICT tables
_KEPT_APART: Final = "Set XDG_CACHE_HOME or XDG_DATA_HOME to another directory, or move the file away."


@attrs.frozen
class Migration:
    """One step. ``checksum`` is of the file as it was applied."""

    number: int
    name: str
    script: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the script."""
        return hashlib.sha256(self.script.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """Return the steps of this version in order."""
    folder = resources.files("ekaci_core.store").joinpath("migrations")
    steps = []
    for file in folder.iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            steps.append(Migration(int(match[1]), file.name.removesuffix(".sql"), file.read_text("utf-8")))
    return tuple(sorted(steps, key=lambda step: step.number))


def check_library(version: tuple[int, ...]) -> None:
    """Check the version of SQLite that Python was built with.

    Raises:
        InfrastructureFault: it is too old.
    """
    if version < _OLDEST_SQLITE:
        has, wants = (".".join(map(str, each)) for each in (version, _OLDEST_SQLITE))
        raise InfrastructureFault(
            f"this Python has SQLite {has}, and the database needs {wants} or newer",
            where=sys.executable,
            do="Use a newer Python, or a system with a newer SQLite.",
        )


def prepare(connection: sqlite3.Connection, *, where: str, steps: Sequence[Migration]) -> None:
    """Switch to write-ahead logging and apply the steps that are missing, in one transaction.

    Raises:
        InfrastructureFault: the database is of a newer or another program, or SQLite is too old.
    """
    check_library(sqlite3.sqlite_version_info)
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    if _applied(connection) != _wanted(steps):
        immediate(partial(_migrate, where=where, steps=steps), connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # The switch needs the file for itself and does not wait for it as statements do.
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return


def _wanted(steps: Sequence[Migration]) -> list[tuple[int, str]]:
    return [(step.number, step.checksum) for step in steps]


def _applied(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").fetchone():
        return []
    return connection.execute("SELECT number, checksum FROM migration ORDER BY number").fetchall()


def _migrate(connection: sqlite3.Connection, *, where: str, steps: Sequence[Migration]) -> None:
    applied = _applied(connection)
    _check(connection, applied, where=where, steps=steps)
    if not applied:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(
            "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT"
        )
    for step in steps[len(applied) :]:
        for statement in statements(step.script):
            connection.execute(statement)
        connection.execute("INSERT INTO migration VALUES (?, ?, ?)", (step.number, step.name, step.checksum))


def _check(
    connection: sqlite3.Connection,
    applied: Sequence[tuple[int, str]],
    *,
    where: str,
    steps: Sequence[Migration],
) -> None:
    wanted = _wanted(steps)
    if not applied and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise InfrastructureFault("this database is not EkaCI's", where=where, do=_KEPT_APART)
    newest, known = (applied[-1][0] if applied else 0), wanted[-1][0]
    if newest > known:
        raise InfrastructureFault(
            f"this database has schema {newest}, and this EkaCI knows schemas up to {known}",
            where=where,
            do=f"Use the newer EkaCI that wrote it. {_KEPT_APART}",
        )
    if list(applied) != wanted[: len(applied)]:
        raise InfrastructureFault(
            "this database was made by an unreleased EkaCI whose schema has changed since", where=where, do=_KEPT_APART
        )


def statements(script: str) -> list[str]:
    """Split a script at the semicolons that end statements.

    ``executescript`` would commit the surrounding transaction first.
    """
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending.strip())
            pending = ""
    if pending.strip():
        found.append(pending.strip())
    return found

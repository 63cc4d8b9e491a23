"""Repositories in the database: numbers that stay when a name changes. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from ekaci_core.model.forge import RepositoryId
from ekaci_core.store.queries import query

# Where both names have the same row, that of the new name stays: it came later.
_UNITED: Final = (
    "pull_request",
    "review",
    "post",
    "commit_approval",
    "installation",
    "push",
    "audit_record",
    "hook_execution",
)


def find(connection: sqlite3.Connection, repository: RepositoryId) -> int | None:
    """Return the number of a repository, None where it was never stored. Case does not count."""
    found = connection.execute(
        "SELECT id FROM repository WHERE forge = ? AND path = ?", (repository.forge, repository.path)
    ).fetchone()
    return found[0] if found else None


def number_of(connection: sqlite3.Connection, repository: RepositoryId) -> int:
    """Return the number of a repository, which is stored if it was not. Its spelling stays as it is."""
    known = find(connection, repository)
    if known is not None:
        return known
    row = connection.execute(
        "INSERT INTO repository (forge, path) VALUES (?, ?) RETURNING id", (repository.forge, repository.path)
    )
    number: int = row.fetchone()[0]
    return number


def respelt(connection: sqlite3.Connection, repository: RepositoryId) -> int:
    """Like `number_of`, for a name in the forge's own spelling, which is kept from now on."""
    number = number_of(connection, repository)
    connection.execute(
        "UPDATE repository SET path = :path WHERE id = :id AND path <> :path COLLATE BINARY",
        {"id": number, "path": repository.path},
    )
    return number


def rename(connection: sqlite3.Connection, before: RepositoryId, after: RepositoryId) -> None:
    """Give a repository another name. Where something is stored under that already, both become one."""
    old, new = find(connection, before), find(connection, after)
    if old is None:
        return
    if new is not None and new != old:
        _unite(connection, {"old": old, "new": new})
        old = new
    connection.execute("UPDATE repository SET forge = ?, path = ? WHERE id = ?", (after.forge, after.path, old))


def _unite(connection: sqlite3.Connection, values: dict[str, int]) -> None:
    connection.execute(query("drop_older_pull_requests"), values)
    connection.execute("UPDATE pull_request SET head_repository = :new WHERE head_repository = :old", values)
    for table in _UNITED:
        connection.execute(f"UPDATE OR IGNORE {table} SET repository = :new WHERE repository = :old", values)  # noqa: S608
        connection.execute(f"DELETE FROM {table} WHERE repository = :old", values)  # noqa: S608
    connection.execute("DELETE FROM repository WHERE id = :old", values)
    connection.execute(query("supersede_all"), values)


def note_installed(
    connection: sqlite3.Connection, forge: str, instance: str, repositories: Sequence[RepositoryId], now: float
) -> None:
    """Store that an instance was given repositories."""
    connection.executemany(
        "INSERT INTO installation (forge, instance, repository, noted_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(forge, instance, respelt(connection, each), now) for each in repositories],
    )


def note_uninstalled(
    connection: sqlite3.Connection, forge: str, instance: str, repositories: Sequence[RepositoryId]
) -> None:
    """Store that repositories were taken away."""
    connection.executemany(
        "DELETE FROM installation WHERE forge = ? AND instance = ? AND repository = ?",
        [(forge, instance, find(connection, each)) for each in repositories],
    )


def installed(connection: sqlite3.Connection, forge: str | None) -> list[RepositoryId]:
    """Read the repositories that some instance has, of one forge or of all, by name."""
    rows = connection.execute(
        "SELECT forge, path FROM repository WHERE id IN ("
        " SELECT repository FROM installation WHERE :forge IS NULL OR forge = :forge) ORDER BY forge, path",
        {"forge": forge},
    )
    return [RepositoryId(host, path) for host, path in rows]

"""Approved commits and trusted people in the database. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3

from ekaci_core.model.forge import Person, RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.store import repositories
from ekaci_core.store.compact import storable
from ekaci_core.store.forge_facts import Approval, ApprovedUser


def approve_commit(
    connection: sqlite3.Connection, repository: RepositoryId, sha: CommitSha, *, by: str, now: float
) -> bool:
    """Store an approval; False if there is one, which stays as it is."""
    rows = connection.execute(
        "INSERT INTO commit_approval (repository, sha, login, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING RETURNING at",
        (repositories.number_of(connection, repository), sha, storable(by), now),
    )
    return bool(rows.fetchall())


def of_commit(connection: sqlite3.Connection, repository: RepositoryId, sha: CommitSha) -> Approval | None:
    """Read the approval of one commit."""
    row = connection.execute(
        "SELECT r.forge, r.path, a.login, a.at FROM repository AS r JOIN commit_approval AS a ON a.repository = r.id"
        " WHERE r.forge = ? AND r.path = ? AND a.sha = ?",
        (repository.forge, repository.path, sha),
    ).fetchone()
    if row is None:
        return None
    forge, path, login, at = row
    return Approval(RepositoryId(forge, path), sha, login, at)


def approve_user(connection: sqlite3.Connection, forge: str, person: Person, *, notes: str, now: float) -> bool:
    """Store that a person is trusted; False if he was, and then only a new login is taken over."""
    values = {"forge": forge, "id": person.id, "login": storable(person.login), "notes": storable(notes), "now": now}
    fresh = connection.execute(
        "INSERT INTO approved_user (forge, person, login, approved_at, notes)"
        " VALUES (:forge, :id, :login, :now, :notes) ON CONFLICT DO NOTHING RETURNING person",
        values,
    ).fetchall()
    if not fresh:
        connection.execute("UPDATE approved_user SET login = :login WHERE forge = :forge AND person = :id", values)
    return bool(fresh)


def remove_user(connection: sqlite3.Connection, forge: str, login: str) -> bool:
    """Delete whoever has this login, whatever its case; returns whether there was somebody."""
    rows = connection.execute(
        "DELETE FROM approved_user WHERE forge = ? AND login = ? RETURNING person", (forge, login)
    )
    return bool(rows.fetchall())


def users(connection: sqlite3.Connection, forge: str) -> list[ApprovedUser]:
    """Read all that are trusted at a forge, the first approved first."""
    rows = connection.execute(
        "SELECT login, person, approved_at, notes FROM approved_user WHERE forge = ? ORDER BY approved_at, person",
        (forge,),
    )
    return [ApprovedUser(Person(login, person), approved_at, notes) for login, person, approved_at, notes in rows]

"""Pull requests as forges told them, in the database. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

from ekaci_core.model.forge import Branch, Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.store import repositories
from ekaci_core.store.compact import storable
from ekaci_core.store.queries import query


def note(connection: sqlite3.Connection, told: PullRequest, now: float) -> bool:
    """Store one unless newer news is stored; returns whether it was."""
    head = told.head_repository
    values = {
        "repository": repositories.respelt(connection, told.repository),
        "number": told.number,
        "title": storable(told.title),
        "login": storable(told.author.login),
        "author": told.author.id,
        "state": told.state.value,
        "draft": told.draft,
        "base": told.base,
        "base_sha": told.base_sha,
        "head": told.head,
        "head_sha": told.head_sha,
        "head_repository": None if head is None else repositories.respelt(connection, head),
        "updated_at": told.updated_at,
        "now": now,
    }
    return bool(connection.execute(query("note_pull_request"), values).fetchall())


def find(connection: sqlite3.Connection, repository: RepositoryId, number: int) -> PullRequest | None:
    """Read one."""
    values = {"forge": repository.forge, "path": repository.path, "number": number}
    row = connection.execute(f"{query('pull_requests')} {_ONE}", values).fetchone()
    return None if row is None else _pull_request(row)


def newest(
    connection: sqlite3.Connection, repository: RepositoryId | None, *, open_only: bool, limit: int
) -> list[PullRequest]:
    """Read those last updated first."""
    conditions = [_OPEN] * open_only
    values: dict[str, object] = {"limit": limit}
    if repository is not None:
        conditions.append(_OF_REPOSITORY)
        values |= {"forge": repository.forge, "path": repository.path}
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = connection.execute(f"{query('pull_requests')} {where} {_NEWEST_FIRST}", values)
    return [_pull_request(row) for row in rows]


_OF_REPOSITORY = "p.repository = (SELECT id FROM repository WHERE forge = :forge AND path = :path)"
_ONE = f"WHERE {_OF_REPOSITORY} AND p.number = :number"
_OPEN = "p.state = 'open'"
_NEWEST_FIRST = "ORDER BY p.updated_at DESC LIMIT :limit"


def _pull_request(row: tuple[Any, ...]) -> PullRequest:
    (forge, path, number, title, login, author, state, draft), places = row[:8], row[8:]
    base, base_sha, head, head_sha, head_forge, head_path, updated_at = places
    return PullRequest(
        repository=RepositoryId(forge, path),
        number=number,
        title=title,
        author=Person(login, author),
        state=PullRequestState(state),
        draft=bool(draft),
        base=Branch(base),
        base_sha=CommitSha(base_sha),
        head=Branch(head),
        head_sha=CommitSha(head_sha),
        head_repository=None if head_path is None else RepositoryId(head_forge, head_path),
        updated_at=updated_at,
    )

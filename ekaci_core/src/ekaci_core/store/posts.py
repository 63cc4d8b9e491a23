"""What is to stand at forges, in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ekaci_core.model.check import Check, CheckStatus
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.store import repositories
from ekaci_core.store.check_json import check_body, check_of
from ekaci_core.store.compact import storable
from ekaci_core.store.outbox import Post, PostId
from ekaci_core.store.queries import query


def want(connection: sqlite3.Connection, checks: Sequence[Check], now: float) -> int:
    """Store what is wanted, the last of equal names; returns how many rows are new or another now."""
    numbers = {each: repositories.number_of(connection, each) for each in {check.repository for check in checks}}
    wanted = {(numbers[each.repository], each.sha, storable(each.context)): each for each in checks}
    return sum(_want(connection, place, check, now) for place, check in wanted.items())


def _want(connection: sqlite3.Connection, place: tuple[int, CommitSha, str | None], check: Check, now: float) -> bool:
    values = {
        **dict(zip(("repository", "sha", "context"), place, strict=True)),
        "final": check.status is CheckStatus.COMPLETED,
        "body": check_body(check),
        "now": now,
    }
    return bool(connection.execute(query("want_check"), values).fetchall())


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[Post]:
    """Read those that may be sent, the most urgent first."""
    values = {"now": now, "limit": limit}
    found: dict[PostId, Post] = {}
    for name in ("posts_first", "posts_ended", "posts_due"):
        if len(found) < limit:
            for post in _read(connection.execute(f"{query('posts')} {query(name)}", values)):
                found.setdefault(post.id, post)
    return list(found.values())[:limit]


def next_at(connection: sqlite3.Connection, now: float) -> float | None:
    """Read when the next one that waits for a time after ``now`` may be sent."""
    row = connection.execute(
        "SELECT min(not_before) FROM post WHERE sent < version AND not_before IS NOT NULL AND not_before > ?", (now,)
    ).fetchone()
    found: float | None = row[0]
    return found


def sent(connection: sqlite3.Connection, post: PostId, *, version: int, remote: str, now: float) -> None:
    """Store that the forge shows a version."""
    connection.execute(query("post_sent"), {"id": post, "version": version, "remote": storable(remote), "now": now})


def failed(
    connection: sqlite3.Connection,
    post: PostId,
    *,
    fault: str,
    not_before: float | None,
    forget: bool,
    version: int | None,
) -> None:
    """Store why it was not sent, and when it may be tried again."""
    values = {
        "id": post,
        "fault": storable(fault),
        "not_before": not_before,
        "forget": forget,
        "version": version,
    }
    connection.execute(query("post_failed"), values)


def at(
    connection: sqlite3.Connection, repository: RepositoryId, sha: CommitSha, contexts: Collection[str]
) -> list[Post]:
    """Read those at a commit, in the order in which they were wanted first."""
    where = "WHERE p.repository = (SELECT id FROM repository WHERE forge = :forge AND path = :path) AND p.sha = :sha"
    if contexts:
        where += " AND p.context IN (SELECT value FROM json_each(:contexts))"
    values = {
        "forge": repository.forge,
        "path": repository.path,
        "sha": sha,
        "contexts": json.dumps([storable(each) for each in contexts]),
    }
    return _read(connection.execute(f"{query('posts')} {where} ORDER BY p.id", values))


def resend(connection: sqlite3.Connection, repository: RepositoryId, sha: CommitSha, now: float) -> int:
    """Store that the forge shows none of those at a commit as it should; returns how many there are."""
    rows = connection.execute(
        "UPDATE post SET sent = 0, waiting_since = :now, not_before = 0.0, fault = '' WHERE sha = :sha"
        " AND repository = (SELECT id FROM repository WHERE forge = :forge AND path = :path) RETURNING id",
        {"forge": repository.forge, "path": repository.path, "sha": sha, "now": now},
    )
    return len(rows.fetchall())


def prune(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete some that wait for nothing and are old; returns how many, less than ``limit`` once none is left."""
    rows = connection.execute(
        "DELETE FROM post WHERE id IN (SELECT id FROM post WHERE changed_at < :before"
        " AND coalesce(sent_at, changed_at) < :before AND (sent >= version OR not_before IS NULL) LIMIT :limit)"
        " RETURNING id",
        {"before": before, "limit": limit},
    )
    return len(rows.fetchall())


def _read(rows: Iterable[tuple[Any, ...]]) -> list[Post]:
    return [_post(row) for row in rows]


def _post(row: tuple[Any, ...]) -> Post:
    (forge, path, sha, context, body), (post, version, sent_version, remote, writes) = row[:5], row[5:10]
    changed_at, sent_at, not_before, final, fault = row[10:]
    return Post(
        id=PostId(post),
        check=check_of(RepositoryId(forge, path), CommitSha(sha), context, body),
        version=version,
        sent=sent_version,
        remote=remote,
        writes=writes,
        changed_at=changed_at,
        sent_at=sent_at,
        not_before=math.inf if not_before is None else not_before,
        final=bool(final),
        fault=fault,
    )

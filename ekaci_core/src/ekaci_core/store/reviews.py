"""Reviews in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from typing import Any

from ekaci_core.model.forge import Branch, RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.store import repositories
from ekaci_core.store.compact import storable
from ekaci_core.store.queries import query
from ekaci_core.store.review import ReviewId, ReviewRecord


def ask(connection: sqlite3.Connection, wish: ReviewWish, state: ReviewState, now: float) -> ReviewId:
    """Store a wish, or find it, and supersede others of the same pull request."""
    values = {
        "repository": repositories.number_of(connection, wish.repository),
        "occasion": wish.occasion.value,
        "number": wish.number or 0,
        "base": wish.base,
        "base_sha": wish.base_sha,
        "head_sha": wish.head_sha,
        "ref": wish.ref,
        "trusted": wish.trusted,
        "author": storable(wish.author),
        "state": state.value,
        "now": now,
    }
    asked = connection.execute(query("ask_review"), values).fetchall()
    if asked:
        _forget_result(connection, asked[0][0])
    else:
        asked = connection.execute(query("find_review"), values).fetchall()
    number = ReviewId(asked[0][0])
    if wish.occasion is Occasion.PULL_REQUEST:
        connection.execute(query("supersede_reviews"), values | {"id": number})
    return number


def ask_again(connection: sqlite3.Connection, review: ReviewId, now: float) -> bool:
    """Begin the next round of one that has ended; returns whether it has."""
    if not connection.execute(query("ask_review_again"), {"id": review, "now": now}).fetchall():
        return False
    _forget_result(connection, review)
    return True


def _forget_result(connection: sqlite3.Connection, review: ReviewId) -> None:
    connection.execute("DELETE FROM review_result WHERE review = ?", (review,))


def change(
    connection: sqlite3.Connection,
    review: ReviewId,
    state: ReviewState,
    *,
    expected: Collection[ReviewState],
    detail: str,
    now: float,
) -> bool:
    """Set the state if it is one of those expected; returns whether it was."""
    values = {
        "id": review,
        "state": state.value,
        "expected": json.dumps([each.value for each in expected]),
        "detail": storable(detail),
        "now": now,
    }
    return bool(connection.execute(query("change_review"), values).fetchall())


def finish(
    connection: sqlite3.Connection, review: ReviewId, decision: str, report: bytes, now: float, *, detail: str = ""
) -> bool:
    """Store the compressed report of a live one; returns whether it was live."""
    values = {"id": review, "decision": decision, "detail": storable(detail), "now": now}
    if not connection.execute(query("finish_review"), values).fetchall():
        return False
    connection.execute(
        "INSERT OR REPLACE INTO review_result (review, at, report) VALUES (?, ?, ?)", (review, now, report)
    )
    return True


def find(connection: sqlite3.Connection, review: ReviewId) -> ReviewRecord | None:
    """Read one."""
    row = connection.execute(f"{query('reviews')} WHERE v.id = ?", (review,)).fetchone()
    return None if row is None else _record(row)


def report(connection: sqlite3.Connection, review: ReviewId) -> bytes | None:
    """Read a report as it was compressed."""
    row = connection.execute("SELECT report FROM review_result WHERE review = ?", (review,)).fetchone()
    return None if row is None else row[0]


def live(connection: sqlite3.Connection) -> list[ReviewRecord]:
    """Read those that are live, the first asked for first."""
    return read(connection.execute(f"{query('reviews')} {query('live_reviews')}"))


def given_up(connection: sqlite3.Connection, since: float) -> list[ReviewRecord]:
    """Read those that were superseded or closed since then, the first first."""
    where = "WHERE v.state IN ('superseded', 'closed') AND v.changed_at >= ? ORDER BY v.changed_at, v.id"
    return read(connection.execute(f"{query('reviews')} {where}", (since,)))


def of(
    connection: sqlite3.Connection, repository: RepositoryId, *, number: int | None, sha: CommitSha | None, limit: int
) -> list[ReviewRecord]:
    """Read those of a repository, the newest first."""
    where = "WHERE v.repository = (SELECT id FROM repository WHERE forge = :forge AND path = :path)"
    if number is not None:
        where += " AND v.number = :number"
    order = "v.id"
    if sha is not None:
        where += " AND v.head_sha = :sha"
        order = "+v.id"  # few are of one commit: they are found first, then sorted
    values = {"forge": repository.forge, "path": repository.path, "number": number, "sha": sha, "limit": limit}
    return read(connection.execute(f"{query('reviews')} {where} ORDER BY {order} DESC LIMIT :limit", values))


def at(connection: sqlite3.Connection, sha: str, limit: int) -> list[ReviewRecord]:
    """Read those of head commits whose names begin so, the newest first."""
    where = "WHERE substr(v.head_sha, 1, length(:sha)) = :sha ORDER BY v.id DESC LIMIT :limit"
    return read(connection.execute(f"{query('reviews')} {where}", {"sha": sha, "limit": limit}))


def prune_results(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete some old reports; returns how many, less than ``limit`` once none is left."""
    rows = connection.execute(
        "DELETE FROM review_result WHERE review IN (SELECT review FROM review_result WHERE at < ? LIMIT ?)"
        " RETURNING review",
        (before, limit),
    )
    return len(rows.fetchall())


def read(rows: Iterable[tuple[Any, ...]]) -> list[ReviewRecord]:
    """Make records of what the query `reviews` found."""
    return [_record(row) for row in rows]


def _record(row: tuple[Any, ...]) -> ReviewRecord:
    (forge, path, review, occasion, number, base, base_sha, head_sha), rest = row[:8], row[8:]
    ref, trusted, author, state, asked_at, changed_at, detail, count, decision = rest
    wish = ReviewWish(
        repository=RepositoryId(forge, path),
        occasion=Occasion(occasion),
        number=number or None,
        base=Branch(base),
        base_sha=None if base_sha is None else CommitSha(base_sha),
        head_sha=CommitSha(head_sha),
        ref=ref,
        trusted=bool(trusted),
        author=author,
    )
    return ReviewRecord(ReviewId(review), wish, ReviewState(state), asked_at, changed_at, detail, count, decision)

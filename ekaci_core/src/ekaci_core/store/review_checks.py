"""What single reviews want to stand at commits, in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from ekaci_core.model.check import Check
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.store import posts, reviews
from ekaci_core.store.check_json import check_body, check_of
from ekaci_core.store.compact import storable
from ekaci_core.store.queries import query
from ekaci_core.store.review import ReviewId, ReviewRecord
from ekaci_core.store.shared_checks import Join, Leave, ReviewCheck

# News of a pull request is as old as its delivery was late.
_LATEST_SECONDS: Final = 7 * 86_400.0


def want(connection: sqlite3.Connection, review: ReviewId, checks: Sequence[Check], join: Join, now: float) -> int:
    """Store what a review wants, and what comes of it; returns how many rows of the outbox changed."""
    record = reviews.find(connection, review)
    if record is None:
        return 0
    rows = [
        {"review": review, "context": storable(each.context), "now": now, "body": check_body(each)} for each in checks
    ]
    connection.executemany(query("want_review_check"), rows)
    counting = standing(connection, record.wish.repository, record.wish.head_sha) or [record]
    by_name = _by_name(_read(connection, counting))
    names = dict.fromkeys(str(row["context"]) for row in rows)
    return posts.want(connection, [join(by_name[name]) for name in names if name in by_name], now)


def rejoin(
    connection: sqlite3.Connection, repository: RepositoryId, sha: CommitSha, *, join: Join, leave: Leave, now: float
) -> int:
    """Store what comes of the reviews that count at a commit; returns how many rows of the outbox changed."""
    counting = standing(connection, repository, sha)
    if not counting:
        return 0
    by_name = _by_name(_read(connection, counting))
    stands = [post.check for post in posts.at(connection, repository, sha, ())]
    left = [check for check in stands if check.context not in by_name]
    return posts.want(connection, [*map(join, by_name.values()), *leave(counting[0], left)], now)


def _by_name(checks: Iterable[ReviewCheck]) -> dict[str, list[ReviewCheck]]:
    by_name: dict[str, list[ReviewCheck]] = {}
    for each in checks:
        by_name.setdefault(each.check.context, []).append(each)
    return by_name


def of(connection: sqlite3.Connection, review: ReviewId) -> list[Check]:
    """Read what a review wants."""
    record = reviews.find(connection, review)
    return [] if record is None else [each.check for each in _read(connection, [record])]


def at(connection: sqlite3.Connection, repository: RepositoryId, sha: CommitSha) -> list[ReviewCheck]:
    """Read what the reviews that count at a commit want."""
    return _read(connection, standing(connection, repository, sha))


def standing(connection: sqlite3.Connection, repository: RepositoryId, sha: CommitSha) -> list[ReviewRecord]:
    """Read the reviews that count at a commit."""
    values = {"forge": repository.forge, "path": repository.path, "sha": sha}
    return reviews.read(connection.execute(f"{query('reviews')} {query('standing_reviews')}", values))


def shared(connection: sqlite3.Connection, since: float) -> list[tuple[RepositoryId, CommitSha]]:
    """Read commits with news of a pull request at which something else is reviewed as well."""
    values = {"since": since, "updated_since": since - _LATEST_SECONDS}
    rows = connection.execute(query("shared_heads"), values)
    return [(RepositoryId(forge, path), CommitSha(sha)) for forge, path, sha in rows]


def prune(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete some that count nowhere and are old; returns how many, less than ``limit`` once none is left."""
    return len(connection.execute(query("prune_review_checks"), {"before": before, "limit": limit}).fetchall())


def _read(connection: sqlite3.Connection, records: Sequence[ReviewRecord]) -> list[ReviewCheck]:
    by_id = {record.id: record for record in records}
    rows = connection.execute(
        "SELECT review, context, body FROM review_check WHERE review IN (SELECT value FROM json_each(?))"
        " ORDER BY review, context",
        (json.dumps(list(by_id)),),
    )
    return [_review_check(by_id[review], context, body) for review, context, body in rows]


def _review_check(record: ReviewRecord, context: str, body: str) -> ReviewCheck:
    return ReviewCheck(record, check_of(record.wish.repository, record.wish.head_sha, context, body))

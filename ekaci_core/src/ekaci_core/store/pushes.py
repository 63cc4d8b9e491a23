"""Pushes in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.store import repositories
from ekaci_core.store.compact import drv_path, path_text, storable
from ekaci_core.store.push import Push, PushEnd, PushId, PushState, WantedPush
from ekaci_core.store.queries import query
from ekaci_core.store.review import ReviewId


def want(connection: sqlite3.Connection, wanted: Sequence[WantedPush], now: float) -> int:
    """Store what is wanted; returns how many rows are new or wait again."""
    numbers = {each: repositories.number_of(connection, each) for each in {push.repository for push in wanted}}
    changed = 0
    for each in wanted:
        values = {
            "cache": storable(each.cache),
            "path": each.path,
            "derivation": path_text(each.derivation),
            "repository": numbers[each.repository],
            "review": each.review,
            "now": now,
        }
        changed += len(connection.execute(query("want_push"), values).fetchall())
    return changed


def known(connection: sqlite3.Connection, cache: str, paths: Collection[StorePath]) -> dict[StorePath, Push]:
    """Read those of some paths."""
    where = "WHERE p.cache = :cache AND p.path IN (SELECT value FROM json_each(:paths))"
    values = {"cache": storable(cache), "paths": json.dumps(list(paths))}
    return {each.path: each for each in _read(connection, where, values)}


def due(connection: sqlite3.Connection, cache: str, now: float, limit: int) -> list[Push]:
    """Read those that may be pushed."""
    where = "WHERE p.cache = :cache AND p.state = 'pending' AND +p.not_before <= :now ORDER BY p.id LIMIT :limit"
    return _read(connection, where, {"cache": storable(cache), "now": now, "limit": limit})


def next_at(connection: sqlite3.Connection, cache: str, now: float) -> float | None:
    """Read when the next one that waits for a time after ``now`` may be pushed."""
    row = connection.execute(
        "SELECT min(not_before) FROM push WHERE cache = ? AND state = 'pending' AND not_before > ?",
        (storable(cache), now),
    ).fetchone()
    found: float | None = row[0]
    return found


def begin(connection: sqlite3.Connection, pushes: Collection[PushId], now: float) -> None:
    """Store that these are being pushed."""
    connection.executemany(
        "UPDATE push SET state = 'pushing', attempts = attempts + 1, changed_at = :now,"
        " first_tried_at = coalesce(first_tried_at, :now) WHERE id = :id",
        [{"id": push, "now": now} for push in pushes],
    )


def end(connection: sqlite3.Connection, ends: Sequence[PushEnd], now: float) -> None:
    """Store what came of some."""
    connection.executemany(
        "UPDATE push SET state = :state, reason = :reason, not_before = :not_before, changed_at = :now,"
        " sent_bytes = coalesce(:sent_bytes, sent_bytes) WHERE id = :id",
        [
            {
                "id": each.push,
                "state": each.state.value,
                "reason": storable(each.reason),
                "not_before": each.not_before,
                "sent_bytes": each.sent_bytes,
                "now": now,
            }
            for each in ends
        ],
    )


def resume(connection: sqlite3.Connection, cache: str | None, now: float) -> int:
    """Store that nothing is being pushed."""
    rows = connection.execute(
        "UPDATE push SET state = 'pending', changed_at = :now"
        " WHERE state = 'pushing' AND (:cache IS NULL OR cache = :cache) RETURNING id",
        {"now": now, "cache": storable(cache)},
    )
    return len(rows.fetchall())


def newest(
    connection: sqlite3.Connection, *, cache: str | None, state: PushState | None, limit: int, before: PushId | None
) -> list[Push]:
    """Read the newest first."""
    conditions = ["TRUE"]
    if cache is not None:
        conditions.append("p.cache = :cache")
    if state is not None:
        conditions.append("p.state = :state")
    if before is not None:
        conditions.append("p.id < :before")
    values = {
        "cache": storable(cache),
        "state": None if state is None else state.value,
        "before": before,
        "limit": limit,
    }
    return _read(connection, f"WHERE {' AND '.join(conditions)} ORDER BY p.id DESC LIMIT :limit", values)


def count(connection: sqlite3.Connection) -> dict[str, dict[PushState, int]]:
    """Count by cache and state."""
    counts: dict[str, dict[PushState, int]] = {}
    for cache, state, many in connection.execute("SELECT cache, state, count(*) FROM push GROUP BY cache, state"):
        counts.setdefault(cache, {})[PushState(state)] = many
    return counts


def retry(connection: sqlite3.Connection, cache: str | None, push: PushId | None, now: float) -> int:
    """Store that failed ones wait, as if they were asked for now."""
    rows = connection.execute(query("retry_pushes"), {"cache": storable(cache), "id": push, "now": now})
    return len(rows.fetchall())


def expire(connection: sqlite3.Connection, before: float, reason: str, now: float) -> int:
    """Store that those are given up that have waited for too long."""
    rows = connection.execute(
        "UPDATE push SET state = 'failed', reason = :reason, changed_at = :now"
        " WHERE state = 'pending' AND asked_at < :before RETURNING id",
        {"before": before, "reason": storable(reason), "now": now},
    )
    return len(rows.fetchall())


def prune(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete some that are over and old; returns how many, less than ``limit`` once none is left."""
    rows = connection.execute(
        "DELETE FROM push WHERE id IN (SELECT id FROM push WHERE changed_at < ?"
        " AND state IN ('done', 'present', 'failed') LIMIT ?) RETURNING id",
        (before, limit),
    )
    return len(rows.fetchall())


def unfinished(connection: sqlite3.Connection) -> frozenset[StorePath]:
    """Read the paths that wait or are being pushed."""
    rows = connection.execute("SELECT DISTINCT path FROM push WHERE state IN ('pending', 'pushing')")
    return frozenset(StorePath(path) for (path,) in rows)


def derivations(connection: sqlite3.Connection) -> frozenset[DrvPath]:
    """Read the derivations of all rows."""
    return frozenset(drv_path(text) for (text,) in connection.execute("SELECT DISTINCT derivation FROM push"))


def _read(connection: sqlite3.Connection, where: str, values: Mapping[str, object]) -> list[Push]:
    return [_push(row) for row in _rows(connection, where, values)]


def _rows(connection: sqlite3.Connection, where: str, values: Mapping[str, object]) -> Iterable[tuple[Any, ...]]:
    return connection.execute(f"{query('pushes')} {where}", values)


def _push(row: tuple[Any, ...]) -> Push:
    (cache, path, derivation, forge, repository, review), (number, state, attempts, not_before) = row[:6], row[6:10]
    reason, asked_at, changed_at, first_tried_at, sent_bytes = row[10:]
    wanted = WantedPush(
        cache=cache,
        path=StorePath(path),
        derivation=drv_path(derivation),
        repository=RepositoryId(forge, repository),
        review=None if review is None else ReviewId(review),
    )
    return Push(
        id=PushId(number),
        wanted=wanted,
        state=PushState(state),
        attempts=attempts,
        not_before=not_before,
        reason=reason,
        asked_at=asked_at,
        changed_at=changed_at,
        first_tried_at=first_tried_at,
        sent_bytes=sent_bytes,
    )

"""Runs of post-build hooks in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, Final

from ekaci_core.model.build import BuildState
from ekaci_core.model.forge import Branch, RepositoryId
from ekaci_core.model.hook import HookOrigin, HookState
from ekaci_core.model.ids import CommitSha
from ekaci_core.store import derivations, repositories
from ekaci_core.store.compact import drv_path, storable
from ekaci_core.store.hook_execution import HookExecution, HookExecutionId, HookOccasion, WantedHook
from ekaci_core.store.queries import query
from ekaci_core.store.review import ReviewId

_NEXT: Final = (
    "e.id IN (SELECT id FROM hook_execution INDEXED BY hook_execution_pending"
    " WHERE state IN ('queued', 'interrupted') AND id > ? ORDER BY id LIMIT ?) ORDER BY e.id"
)
_DIED: Final = "the server was killed while it ran; it runs again"
_DIED_AGAIN: Final = "the server was killed while it ran, for the second time; it does not run again"


def want(connection: sqlite3.Connection, wanted: Sequence[WantedHook], occasion: HookOccasion, now: float) -> int:
    """Queue those that are not there.

    Raises:
        UnknownDerivation: one of a derivation that is not stored.
    """
    numbers = derivations.all_ids(connection, {each.drv for each in wanted})
    of_all = {
        "review": occasion.review,
        "repository": repositories.number_of(connection, occasion.repository),
        "branch": storable(occasion.branch),
        "sha": occasion.sha,
        "now": now,
    }
    count = 0
    for each in wanted:
        own = {
            "derivation": numbers[each.drv],
            "origin": each.origin.value,
            "hook": each.hook,
            "fod": each.fod,
            "job": storable(each.job),
            "definition": storable(each.definition),
            "built_at": each.built_at,
        }
        count += len(connection.execute(query("want_hook"), {**of_all, **own}).fetchall())
    return count


def pending(connection: sqlite3.Connection, limit: int, after: int) -> list[HookExecution]:
    """Read those that are to be run, in order."""
    return _read(connection, _NEXT, (after, limit))


def begin(connection: sqlite3.Connection, execution: HookExecutionId, log_path: str, now: float) -> bool:
    """Note that one runs now."""
    rows = connection.execute(
        "UPDATE hook_execution SET state = 'running', attempts = attempts + 1, started_at = ?, ended_at = NULL,"
        " exit_status = NULL, log_path = ?, reason = ''"
        " WHERE id = ? AND state IN ('queued', 'interrupted') RETURNING id",
        (now, log_path, execution),
    )
    return bool(rows.fetchall())


def end(
    connection: sqlite3.Connection,
    execution: HookExecutionId,
    state: HookState,
    *,
    exit_status: int | None,
    reason: str,
    now: float,
) -> None:
    """Note what came of one."""
    connection.execute(
        "UPDATE hook_execution SET state = ?, exit_status = ?, reason = ?, ended_at = ? WHERE id = ?",
        (state.value, exit_status, storable(reason), now, execution),
    )


def recover(connection: sqlite3.Connection, now: float) -> list[HookExecution]:
    """Note the death of the server for those that run."""
    ran = [each.id for each in _read(connection, "e.state = 'running' ORDER BY e.id", ())]
    connection.executemany(
        "UPDATE hook_execution SET deaths = deaths + 1, ended_at = ?,"
        " state = CASE deaths WHEN 0 THEN 'interrupted' ELSE 'abandoned' END,"
        " reason = CASE deaths WHEN 0 THEN ? ELSE ? END WHERE id = ?",
        [(now, _DIED, _DIED_AGAIN, number) for number in ran],
    )
    return _read(connection, "e.id IN (SELECT value FROM json_each(?)) ORDER BY e.id", (json.dumps(ran),))


def newest(
    connection: sqlite3.Connection, state: HookState | None, limit: int, before: HookExecutionId | None
) -> list[HookExecution]:
    """Read the newest first."""
    conditions, values = ["TRUE"], list[object]()
    if state is not None:
        conditions.append("e.state = ?")
        values.append(state.value)
    if before is not None:
        conditions.append("e.id < ?")
        values.append(before)
    return _read(connection, f"{' AND '.join(conditions)} ORDER BY e.id DESC LIMIT ?", (*values, limit))


def prune(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete some that ended; returns how many, less than ``limit`` once none is left."""
    rows = connection.execute(
        "DELETE FROM hook_execution WHERE id IN (SELECT id FROM hook_execution WHERE ended_at < ?"
        " AND state NOT IN ('queued', 'running', 'interrupted') LIMIT ?) RETURNING id",
        (before, limit),
    )
    return len(rows.fetchall())


def built_at(connection: sqlite3.Connection, numbers: Collection[int]) -> dict[int, float]:
    """Read when derivations were last built."""
    return dict(connection.execute(query("built_at"), (json.dumps(list(numbers)), BuildState.SUCCESS)))


def _read(connection: sqlite3.Connection, conditions: str, values: Sequence[object]) -> list[HookExecution]:
    return [_execution(row) for row in connection.execute(f"{query('hook_executions')} WHERE {conditions}", values)]


def _execution(row: Sequence[Any]) -> HookExecution:
    number, review, forge, repository, drv, origin, hook, fod, job, branch, sha, definition, state, *rest = row
    asked_at, started_at, ended_at, exit_status, attempts, deaths, log_path, reason = rest
    return HookExecution(
        id=HookExecutionId(number),
        review=None if review is None else ReviewId(review),
        repository=RepositoryId(forge, repository),
        drv=drv_path(drv),
        origin=HookOrigin(origin),
        hook=hook,
        fod=bool(fod),
        job=job,
        branch=Branch(branch),
        sha=CommitSha(sha),
        definition=definition,
        state=HookState(state),
        asked_at=asked_at,
        started_at=started_at,
        ended_at=ended_at,
        exit_status=exit_status,
        attempts=attempts,
        deaths=deaths,
        log_path=log_path,
        reason=reason,
    )

"""Attempts at builds in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any, cast

from ekaci_core.api import TransientKind
from ekaci_core.model.build import COUNTED_OUTCOMES, BuildState, failed_then_passed
from ekaci_core.model.ids import DrvPath
from ekaci_core.store import derivations
from ekaci_core.store.compact import drv_path, path_text, storable, unpacked
from ekaci_core.store.contract import Attempt, AttemptId
from ekaci_core.store.queries import query


def begin(connection: sqlite3.Connection, drv: DrvPath, *, builder: str, log_path: str | None, now: float) -> AttemptId:
    """Record that a builder starts.

    Raises:
        UnknownDerivation: the derivation is not stored.
    """
    number = derivations.all_ids(connection, [drv])[drv]
    return AttemptId(
        cast("int", connection.execute(query("begin_attempt"), (number, builder, now, log_path)).lastrowid)
    )


def end(
    connection: sqlite3.Connection,
    attempt: AttemptId,
    *,
    now: float,
    exit_status: int | None,
    outcome: BuildState,
    reason: str,
    kind: TransientKind | None,
) -> None:
    """Record how it ended."""
    values = {
        "id": attempt,
        "now": now,
        "exit_status": exit_status,
        "outcome": outcome,
        "reason": storable(reason),
        "kind": kind,
    }
    connection.execute(query("end_attempt"), values)


def last(connection: sqlite3.Connection, drvs: Collection[DrvPath]) -> dict[DrvPath, Attempt]:
    """Read the newest attempt at each."""
    rows = connection.execute(query("last_attempts"), (_listed(drvs),))
    return {attempt.drv: attempt for attempt in map(_attempt, rows)}


def of(connection: sqlite3.Connection, drvs: Collection[DrvPath]) -> dict[DrvPath, list[Attempt]]:
    """Read all attempts at each, in order."""
    found: dict[DrvPath, list[Attempt]] = {}
    for attempt in map(_attempt, connection.execute(query("attempts"), (_listed(drvs),))):
        found.setdefault(attempt.drv, []).append(attempt)
    return found


def flaky(connection: sqlite3.Connection, drvs: Collection[DrvPath]) -> frozenset[DrvPath]:
    """Say which of these failed and passed later."""
    outcomes: dict[str, list[BuildState | None]] = {}
    for path, outcome in connection.execute(
        query("attempt_outcomes"), (_listed(drvs), json.dumps(sorted(COUNTED_OUTCOMES)))
    ):
        outcomes.setdefault(path, []).append(None if outcome is None else BuildState(outcome))
    return frozenset(drv_path(path) for path, each in outcomes.items() if failed_then_passed(each))


def unended(connection: sqlite3.Connection) -> list[Attempt]:
    """Read those without an end at what is claimed."""
    return list(map(_attempt, connection.execute(query("open_attempts"))))


def _listed(drvs: Collection[DrvPath]) -> str:
    return json.dumps([path_text(drv) for drv in drvs])


def _attempt(row: tuple[Any, ...]) -> Attempt:
    number, path, builder, started_at, log_path, ended_at, exit_status, outcome, reason, kind = row
    return Attempt(
        id=AttemptId(number),
        drv=drv_path(path),
        builder=builder,
        started_at=started_at,
        log_path=log_path,
        ended_at=ended_at,
        exit_status=exit_status,
        outcome=None if outcome is None else BuildState(outcome),
        reason=reason,
        kind=None if kind is None else TransientKind(kind),
    )


def mentioned(connection: sqlite3.Connection) -> frozenset[DrvPath]:
    """List the attempted derivations that an evaluation has, or that something needs which an evaluation has."""
    attempted = {number for (number,) in connection.execute("SELECT DISTINCT derivation FROM attempt")}
    if not attempted:
        return frozenset()
    # Inputs have smaller numbers than what needs them, so one pass from above sees all, and need not go on below.
    lowest = (min(attempted),)
    had = {number for (number,) in connection.execute("SELECT derivation FROM attribute WHERE derivation >= ?", lowest)}
    rows = connection.execute("SELECT id, inputs FROM derivation WHERE id >= ? ORDER BY id DESC", lowest)
    for number, inputs in rows:
        if number in had:
            had.update(unpacked(inputs))
    return frozenset(derivations.paths(connection, attempted & had).values())

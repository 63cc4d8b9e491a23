"""Many builds beginning or ending in one transaction. Every function runs inside it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import cast

from ekaci_core.model.build import Build, BuildState
from ekaci_core.store import builds
from ekaci_core.store.compact import storable
from ekaci_core.store.contract import (
    AttemptId,
    BuildBegun,
    BuildChange,
    BuildChanged,
    BuildHeld,
    BuildStart,
    BuildWrites,
    StartAnswer,
)
from ekaci_core.store.queries import query


def write(
    connection: sqlite3.Connection, writes: BuildWrites, *, worker: str, now: float, until: float
) -> list[StartAnswer]:
    """End attempts, then record changes in order, then give up claims, then begin builds.

    Raises:
        UnknownDerivation: a derivation or a blocker is not stored.
    """
    connection.executemany(
        query("end_attempt"),
        (
            {
                "id": end.attempt,
                "now": end.at,
                "exit_status": end.exit_status,
                "outcome": end.outcome,
                "reason": storable(end.reason),
                "kind": end.kind,
            }
            for end in writes.ends
        ),
    )
    connection.executemany(query("learn_duration"), [each for end in writes.ends for each in end.learnt])
    builds.record(connection, writes.changes)
    connection.executemany(
        "DELETE FROM claim WHERE derivation = ? AND worker = ?", ((key, worker) for key in writes.releases)
    )
    return _start(connection, writes.starts, worker=worker, now=now, until=until) if writes.starts else []


def _start(
    connection: sqlite3.Connection, starts: Sequence[BuildStart], *, worker: str, now: float, until: float
) -> list[StartAnswer]:
    """Claim derivations; where the state is the expected one, record an attempt and that it is building."""
    numbers = json.dumps([each.key for each in starts])
    connection.execute(query("claim_many"), {"numbers": numbers, "worker": worker, "now": now, "until": until})
    holders = dict(connection.execute(query("claim_holders"), (numbers,)))
    states = {number: (state, failures) for number, state, failures in connection.execute(query("states"), (numbers,))}
    changes: list[BuildChange] = []
    answers: list[StartAnswer] = []
    for each in starts:
        build = each.build
        if holders.get(each.key) != worker:
            answers.append(BuildHeld(holders.get(each.key, "")))
        elif states.get(each.key) != (build.state, build.failures):
            answers.append(BuildChanged(builds.of(connection, [build.drv]).get(build.drv)))
        else:
            row = (each.key, each.builder, now, each.log_path)
            attempt = connection.execute(query("begin_attempt"), row).lastrowid
            answers.append(BuildBegun(AttemptId(cast("int", attempt))))
            building = Build(build.drv, BuildState.BUILDING, build.failures)
            changes.append(BuildChange(building, now, f"on {each.builder}", each.key))
    builds.record(connection, changes)
    return answers


def renew(connection: sqlite3.Connection, worker: str, until: float) -> None:
    """Prolong every claim that the worker still has."""
    connection.execute("UPDATE claim SET until = ? WHERE worker = ?", (until, worker))


def release_all(connection: sqlite3.Connection, worker: str) -> None:
    """End every claim of the worker."""
    connection.execute("DELETE FROM claim WHERE worker = ?", (worker,))


def durations(connection: sqlite3.Connection, subjects: Collection[str]) -> dict[str, float]:
    """Read what was learnt of these."""
    asked = json.dumps(list(subjects))
    return dict(
        connection.execute(
            "SELECT subject, seconds FROM duration WHERE subject IN (SELECT value FROM json_each(?))", (asked,)
        )
    )

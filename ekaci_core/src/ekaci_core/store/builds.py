"""Build states in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import DrvPath
from ekaci_core.store import derivations
from ekaci_core.store.compact import drv_path, packed, path_text, storable, unpacked
from ekaci_core.store.contract import BuildChange, DerivationId
from ekaci_core.store.queries import query

_UNFINISHED: Final = json.dumps([state for state in BuildState if not state.is_terminal])


def record(connection: sqlite3.Connection, changes: Sequence[BuildChange]) -> None:
    """Store states and one event each, in order.

    Raises:
        UnknownDerivation: a derivation or a blocker is not stored.
    """
    ids = _others(connection, changes)
    earlier = connection.execute(query("last_event")).fetchone()
    numbered = [
        (event, change, ids[change.build.drv] if change.key is None else change.key)
        for event, change in enumerate(changes, start=earlier[0] + 1 if earlier else 1)
    ]
    last = {number: (change.build, event) for event, change, number in numbered}
    connection.executemany(
        query("record_build"),
        (
            (
                number,
                build.state,
                build.failures,
                packed(sorted(ids[blocker] for blocker in build.blockers)) if build.blockers else None,
                event,
            )
            for number, (build, event) in last.items()
        ),
    )
    connection.executemany(
        query("record_build_event"),
        (
            (event, number, change.at, change.build.state, change.build.failures, storable(change.cause))
            for event, change, number in numbered
        ),
    )


def _others(connection: sqlite3.Connection, changes: Sequence[BuildChange]) -> dict[DrvPath, int]:
    """Number what stands there without its number: derivations of some changes, and all blockers."""
    others = {change.build.drv for change in changes if change.key is None}
    others.update(blocker for change in changes for blocker in change.build.blockers)
    return dict(derivations.all_ids(connection, others)) if others else {}


def of(connection: sqlite3.Connection, drvs: Collection[DrvPath]) -> dict[DrvPath, Build]:
    """Read what is known of the builds of these."""
    rows = connection.execute(query("builds"), (json.dumps([path_text(drv) for drv in drvs]),)).fetchall()
    blocker_ids = {text: unpacked(blob) for text, _, _, blob in rows if blob}
    path_of = derivations.paths(connection, {number for numbers in blocker_ids.values() for number in numbers})
    return {
        (drv := drv_path(text)): Build(
            drv, BuildState(state), failures, frozenset(path_of[number] for number in blocker_ids.get(text, ()))
        )
        for text, state, failures, _ in rows
    }


def unfinished(connection: sqlite3.Connection) -> dict[DerivationId, Build]:
    """Read the builds that are in no terminal state."""
    rows = connection.execute(query("unfinished_builds"), (_UNFINISHED,)).fetchall()
    blocker_ids = {number: unpacked(blob) for number, _, _, blob in rows if blob}
    mentioned = {row[0] for row in rows}.union(*blocker_ids.values())
    path_of = derivations.paths(connection, mentioned)
    return {
        DerivationId(number): Build(
            path_of[number],
            BuildState(state),
            failures,
            frozenset(path_of[each] for each in blocker_ids.get(number, ())),
        )
        for number, state, failures, _ in rows
    }


def last_changes(connection: sqlite3.Connection, drvs: Collection[DrvPath]) -> dict[DrvPath, BuildChange]:
    """Read present states, and when and why they came about."""
    numbers = derivations.ids(connection, drvs)
    drv_of: dict[int, DrvPath] = {number: drv for drv, number in numbers.items()}
    known = of(connection, drvs)
    rows = connection.execute(query("last_changes"), (json.dumps(list(drv_of)),))
    return {drv_of[number]: BuildChange(known[drv_of[number]], at, cause, number) for number, at, cause in rows}

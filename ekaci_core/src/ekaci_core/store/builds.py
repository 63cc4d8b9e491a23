"""Build states in the database. Every function runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import DrvPath
from ekaci_core.store import derivations
from ekaci_core.store.compact import drv_path, packed, path_text, storable, unpacked
from ekaci_core.store.contract import BuildChange
from ekaci_core.store.queries import query


def record(connection: sqlite3.Connection, changes: Sequence[BuildChange]) -> None:
    """Store states and one event each, in order.

    Raises:
        UnknownDerivation: a derivation or a blocker is not stored.
    """
    ids = _numbers(connection, changes)
    last = {change.build.drv: change.build for change in changes}
    connection.executemany(
        query("record_build"),
        (
            (
                ids[build.drv],
                build.state,
                build.failures,
                packed(sorted(ids[blocker] for blocker in build.blockers)) if build.blockers else None,
            )
            for build in last.values()
        ),
    )
    connection.executemany(
        query("record_build_event"),
        (
            (ids[change.build.drv], change.at, change.build.state, change.build.failures, storable(change.cause))
            for change in changes
        ),
    )


def _numbers(connection: sqlite3.Connection, changes: Sequence[BuildChange]) -> dict[DrvPath, int]:
    known: dict[DrvPath, int] = {change.build.drv: change.key for change in changes if change.key is not None}
    others = {change.build.drv for change in changes if change.build.drv not in known}
    others.update(blocker for change in changes for blocker in change.build.blockers if blocker not in known)
    return known | derivations.all_ids(connection, others) if others else known


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

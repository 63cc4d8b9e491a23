"""Cancellations in the database. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3

from ekaci_core.model.ids import DrvPath
from ekaci_core.store import derivations
from ekaci_core.store.cancellation import Cancellation, CancellationId
from ekaci_core.store.compact import drv_path


def ask(connection: sqlite3.Connection, drv: DrvPath, now: float) -> CancellationId:
    """Store a wish.

    Raises:
        UnknownDerivation: the derivation is not stored.
    """
    number = derivations.all_ids(connection, [drv])[drv]
    row = connection.execute("INSERT INTO cancellation (derivation, at) VALUES (?, ?) RETURNING id", (number, now))
    return CancellationId(row.fetchone()[0])


def after(connection: sqlite3.Connection, number: int) -> list[Cancellation]:
    """Read those with a greater number; there are few."""
    rows = connection.execute(
        "SELECT c.id, d.path, c.at FROM cancellation AS c JOIN derivation AS d ON d.id = c.derivation"
        " WHERE c.id > ? ORDER BY c.id",
        (number,),
    )
    return [Cancellation(CancellationId(each), drv_path(path), at) for each, path, at in rows]


def end_before(connection: sqlite3.Connection, time: float) -> None:
    """Delete old ones."""
    connection.execute("DELETE FROM cancellation WHERE at < ?", (time,))


def end(connection: sqlite3.Connection, cancellation: CancellationId) -> None:
    """Delete one."""
    connection.execute("DELETE FROM cancellation WHERE id = ?", (cancellation,))

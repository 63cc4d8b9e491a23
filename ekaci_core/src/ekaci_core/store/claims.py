"""Leases on derivations: whoever holds one builds it, and no other does. They end by themselves."""

from __future__ import annotations

import sqlite3

from ekaci_core.model.ids import DrvPath
from ekaci_core.store import derivations
from ekaci_core.store.compact import drv_path
from ekaci_core.store.queries import query


def claim(connection: sqlite3.Connection, drv: DrvPath, worker: str, now: float, until: float) -> str | None:
    """Take or renew a lease; return who holds it if another does.

    Raises:
        UnknownDerivation: it is not stored.
    """
    number = derivations.all_ids(connection, [drv])[drv]
    values = {"derivation": number, "worker": worker, "now": now, "until": until}
    if connection.execute(query("claim"), values).fetchall():
        return None
    holder: str = connection.execute("SELECT worker FROM claim WHERE derivation = ?", (number,)).fetchone()[0]
    return holder


def release(connection: sqlite3.Connection, drv: DrvPath, worker: str) -> None:
    """Give up one's own lease."""
    for number in derivations.ids(connection, [drv]).values():
        connection.execute("DELETE FROM claim WHERE derivation = ? AND worker = ?", (number, worker))


def held(connection: sqlite3.Connection) -> dict[DrvPath, str]:
    """Return who holds what; leases are few, one for each build that runs or whose worker died."""
    rows = connection.execute("SELECT d.path, c.worker FROM claim AS c JOIN derivation AS d ON d.id = c.derivation")
    return {drv_path(path): worker for path, worker in rows}

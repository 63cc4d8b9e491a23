"""What was written to forges lately, in the database. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3

from ekaci_core.store.compact import storable
from ekaci_core.store.outbox import AccountUse


def note(connection: sqlite3.Connection, account: str, now: float, keep_seconds: float) -> None:
    """Store that one write is sent now, and forget those of the account that count no more."""
    values = {"account": storable(account), "now": now, "old": now - keep_seconds}
    connection.execute("DELETE FROM forge_write WHERE account = :account AND at <= :old", values)
    connection.execute("INSERT INTO forge_write (account, at) VALUES (:account, :now)", values)


def pause(connection: sqlite3.Connection, account: str, until: float) -> None:
    """Store that an account is to be left alone; what was asked for before and is longer stays."""
    connection.execute(
        "INSERT INTO forge_pause (account, until) VALUES (?, ?)"
        " ON CONFLICT (account) DO UPDATE SET until = max(until, excluded.until)",
        (storable(account), until),
    )


def of(connection: sqlite3.Connection, account: str, since: float) -> AccountUse:
    """Read the writes of an account after a time, the first first."""
    name = storable(account)
    times = connection.execute("SELECT at FROM forge_write WHERE account = ? AND at > ? ORDER BY at", (name, since))
    paused = connection.execute("SELECT until FROM forge_pause WHERE account = ?", (name,)).fetchone()
    return AccountUse(tuple(at for (at,) in times), paused[0] if paused else 0.0)

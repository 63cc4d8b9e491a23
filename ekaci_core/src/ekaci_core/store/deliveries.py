"""Deliveries in the database. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from typing import Any, Final

import attrs

from ekaci_core.store.compact import storable
from ekaci_core.store.delivery import Delivery, DeliveryId, DeliveryState

# JSON of 25 KB shrinks to a tenth in less time than SQLite takes to write the rest of it.
_COMPRESSION: Final = 1
_COLUMNS: Final = (
    "d.id, d.forge, d.instance, d.name, d.kind, d.received_at, d.state, d.handled_at, d.outcome, d.attempts"
)


@attrs.frozen
class NewDelivery:
    """A delivery that is not stored yet."""

    forge: str
    instance: str
    name: str
    kind: str
    payload: bytes
    received_at: float


def add(connection: sqlite3.Connection, arrived: Sequence[NewDelivery]) -> list[bool]:
    """Store those that are not there already; returns of each whether it was stored."""
    return [_add(connection, each) for each in arrived]


def _add(connection: sqlite3.Connection, new: NewDelivery) -> bool:
    texts = (storable(each) for each in (new.forge, new.instance, new.name, new.kind))
    rows = connection.execute(
        "INSERT INTO delivery (forge, instance, name, kind, received_at, state) VALUES (?, ?, ?, ?, ?, 'pending')"
        " ON CONFLICT (forge, name) DO NOTHING RETURNING id",
        (*texts, new.received_at),
    ).fetchall()
    for (number,) in rows:
        connection.execute(
            "INSERT INTO delivery_payload (delivery, body) VALUES (?, ?)",
            (number, zlib.compress(new.payload, _COMPRESSION)),
        )
    return bool(rows)


def pending(connection: sqlite3.Connection, limit: int, after: int) -> list[Delivery]:
    """Read those not handled yet behind a number, in order."""
    rows = connection.execute(
        f"SELECT {_COLUMNS}, p.body FROM delivery AS d CROSS JOIN delivery_payload AS p ON p.delivery = d.id"  # noqa: S608
        " WHERE d.state = 'pending' AND d.id > ? ORDER BY d.id LIMIT ?",
        (after, limit),
    )
    return [_delivery(row, body) for *row, body in rows]


def find(connection: sqlite3.Connection, delivery: DeliveryId) -> Delivery | None:
    """Read one."""
    row = connection.execute(
        f"SELECT {_COLUMNS}, p.body FROM delivery AS d JOIN delivery_payload AS p ON p.delivery = d.id"  # noqa: S608
        " WHERE d.id = ?",
        (delivery,),
    ).fetchone()
    return None if row is None else _delivery(row[:-1], row[-1])


def newest(
    connection: sqlite3.Connection, state: DeliveryState | None, limit: int, before: DeliveryId | None
) -> list[Delivery]:
    """Read the newest first, without payloads."""
    conditions, values = ["TRUE"], list[object]()
    if state is not None:
        conditions.append("d.state = ?")
        values.append(state.value)
    if before is not None:
        conditions.append("d.id < ?")
        values.append(before)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM delivery AS d WHERE {' AND '.join(conditions)} ORDER BY d.id DESC LIMIT ?",  # noqa: S608
        (*values, limit),
    )
    return [_delivery(row) for row in rows]


def end(connection: sqlite3.Connection, delivery: DeliveryId, state: DeliveryState, outcome: str, now: float) -> None:
    """Store what came of an attempt to handle it."""
    handled_at = None if state is DeliveryState.PENDING else now
    connection.execute(
        "UPDATE delivery SET state = ?, outcome = ?, handled_at = ?, attempts = attempts + 1 WHERE id = ?",
        (state.value, storable(outcome), handled_at, delivery),
    )


def names(connection: sqlite3.Connection, forge: str, since: float) -> frozenset[str]:
    """Read a forge's names of those received at a time or after it."""
    # The plus keeps to the index by time, as there are few forges.
    rows = connection.execute("SELECT name FROM delivery WHERE received_at >= ? AND +forge = ?", (since, forge))
    return frozenset(name for (name,) in rows)


def replay(connection: sqlite3.Connection, delivery: DeliveryId, now: float) -> bool:
    """Make one pending, as if it had never been handled."""
    rows = connection.execute(
        "UPDATE delivery SET state = 'pending', outcome = '', handled_at = NULL, attempts = 0, replayed_at = ?"
        " WHERE id = ? RETURNING id",
        (now, delivery),
    )
    return bool(rows.fetchall())


def rewrite(connection: sqlite3.Connection) -> None:
    """Write a page as it is: unlike a statement that finds no row, that needs a disk which takes it."""
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    connection.execute(f"PRAGMA application_id = {mark:d}")


def prune(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete some that are old and not pending; returns how many, less than ``limit`` once none is left."""
    rows = connection.execute(
        "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE received_at < :before"
        " AND coalesce(replayed_at, received_at) < :before AND state <> 'pending' LIMIT :limit) RETURNING id",
        {"before": before, "limit": limit},
    )
    return len(rows.fetchall())


def _delivery(row: Sequence[Any], body: bytes | None = None) -> Delivery:
    number, forge, instance, name, kind, received_at, state, handled_at, outcome, attempts = row
    return Delivery(
        id=DeliveryId(number),
        forge=forge,
        instance=instance,
        name=name,
        kind=kind,
        payload=b"" if body is None else zlib.decompress(body),
        received_at=received_at,
        state=DeliveryState(state),
        handled_at=handled_at,
        outcome=outcome,
        attempts=attempts,
    )

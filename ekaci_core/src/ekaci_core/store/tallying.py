"""Counting in the database. Every function runs inside a transaction."""

from __future__ import annotations

import sqlite3

from ekaci_core.model.review import ReviewState
from ekaci_core.store.delivery import DeliveryState
from ekaci_core.store.tally import Tally

_FAULTS = 5


def tally(connection: sqlite3.Connection) -> Tally:
    """Count what there is."""
    reviews = connection.execute("SELECT state, count(*) FROM review GROUP BY state")
    deliveries = connection.execute("SELECT state, count(*) FROM delivery GROUP BY state")
    given_up = connection.execute("SELECT count(*) FROM post WHERE sent < version AND not_before IS NULL").fetchone()
    waiting = connection.execute(
        "SELECT count(*), min(waiting_since) FROM post WHERE sent < version AND not_before IS NOT NULL"
    ).fetchone()
    faults = connection.execute(
        "SELECT fault, count(*) AS many FROM post WHERE sent < version AND fault <> '' GROUP BY fault"
        " ORDER BY many DESC, fault LIMIT ?",
        (_FAULTS,),
    )
    return Tally(
        reviews={ReviewState(state): count for state, count in reviews},
        deliveries={DeliveryState(state): count for state, count in deliveries},
        posts_waiting=waiting[0],
        posts_oldest=waiting[1],
        posts_given_up=given_up[0],
        posts_faults=dict(faults.fetchall()),
    )

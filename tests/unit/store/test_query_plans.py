"""Questions that are asked while builds run look up what they name: none reads a table from end to end."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ekaci_core.store import open_store
from ekaci_core.store.migrate import migrations, prepare
from ekaci_core.store.queries import query
from ekaci_core.testing.facts import drv

STEPS = migrations()
OF_DERIVATIONS = [
    "attempts",
    "builds",
    "claim_holders",
    "derivation_ids",
    "derivation_inputs",
    "derivation_paths",
    "derivations",
    "last_attempts",
    "last_changes",
    "states",
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        prepare(connection, where="a.db", steps=STEPS)
        yield connection


@pytest.mark.parametrize("name", OF_DERIVATIONS)
def test_what_is_asked_of_some_derivations_scans_nothing_but_their_list(
    name: str, database: sqlite3.Connection
) -> None:
    plan = [detail for _, _, _, detail in database.execute(f"EXPLAIN QUERY PLAN {query(name)}", ("[1, 2]",))]
    scanned = [found[1] for detail in plan if (found := re.match(r"SCAN (?:TABLE )?(\w+)", detail))]
    assert set(scanned) <= {"json_each"}, plan


@pytest.mark.anyio
async def test_the_last_events_of_an_older_database_are_found(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        prepare(connection, where="old.db", steps=STEPS[:5])
        names = [drv(name).base_name.removesuffix(".drv") for name in ("a", "b", "c")]
        connection.executemany(
            "INSERT INTO derivation (id, path, inputs, system, outputs) VALUES (?, ?, x'', 'x86_64-linux', 'out')",
            enumerate(names, start=1),
        )
        connection.executemany("INSERT INTO build (derivation, state, failures) VALUES (?, 10, 0)", [(1,), (2,), (3,)])
        connection.executemany(
            "INSERT INTO build_event (derivation, at, state, failures, cause) VALUES (?, ?, 10, 0, ?)",
            [(1, 1.0, "first"), (2, 2.0, "only"), (1, 3.0, "last")],
        )
    async with open_store(path) as store:
        found = await store.last_changes([drv("a"), drv("b"), drv("c")])
    assert {each: (change.at, change.cause) for each, change in found.items()} == {
        drv("a"): (3.0, "last"),
        drv("b"): (2.0, "only"),
    }

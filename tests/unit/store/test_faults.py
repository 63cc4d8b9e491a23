from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.store import open_store
from ekaci_core.store.faults import fault_of, translated
from ekaci_core.testing.facts import drv, evaluated, key, record

pytestmark = pytest.mark.anyio


def raised_by(path: Path, *statements: str) -> sqlite3.Error:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        for statement in statements:
            connection.execute(statement)
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    raise AssertionError("nothing was raised")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    path.write_bytes(b"these are not the bytes of a database\n" * 100)
    with pytest.raises(InfrastructureFault, match="not a database") as raised:
        async with open_store(path):
            pass
    assert raised.value.where == str(path)
    assert raised.value.do


async def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    async with open_store(path) as store:
        await evaluated(store, [record(f"r{at}") for at in range(3000)])
    damaged = bytearray(path.read_bytes())
    for page in range(4, len(damaged) // 4096):
        damaged[page * 4096 : page * 4096 + 200] = os.urandom(200)
    path.write_bytes(damaged)
    with pytest.raises(InfrastructureFault, match="damaged") as raised:
        async with open_store(path) as store:
            await store.known_derivations([drv(f"r{at}") for at in range(3000)])
    assert raised.value.where == str(path)


async def test_a_directory_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFault, match="cannot be opened"):
        async with open_store(tmp_path):
            pass


async def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureFault, match="directory of the database") as raised:
        async with open_store(tmp_path / "file" / "facts.db"):
            pass
    assert raised.value.where == str(tmp_path / "file")


async def test_nothing_is_left_open_after_a_fault_of_the_caller(tmp_path: Path) -> None:
    """A transaction that fails half-way must not keep the next one from starting."""
    async with open_store(tmp_path / "facts.db") as store:
        evaluation = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        for _ in range(3):
            with pytest.raises(LookupError):
                await store.add_evaluated(evaluation, [record("a"), record("b", "missing")], [])
        await store.add_evaluated(evaluation, [record("a")], [])
        assert await store.known_derivations([drv("a")]) == {drv("a")}


def test_what_only_we_can_have_done_passes_unchanged(tmp_path: Path) -> None:
    error = raised_by(tmp_path / "a.db", "SELECT * FROM nowhere")
    assert fault_of(error, "here") is None
    with pytest.raises(sqlite3.OperationalError, match="no such table"), translated("here"):
        raise error


def test_a_lock_is_told(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    error = raised_by(tmp_path / "a.db", "BEGIN IMMEDIATE")
    holder.close()
    with pytest.raises(InfrastructureFault, match="locked by another process") as raised, translated("here"):
        raise error
    assert raised.value.do


def test_a_full_database_is_told(tmp_path: Path) -> None:
    grow = "CREATE TABLE big AS SELECT randomblob(1000000)"
    error = raised_by(tmp_path / "a.db", "CREATE TABLE a (b)", "PRAGMA max_page_count = 3", grow)
    fault = fault_of(error, "here")
    assert fault is not None
    assert "no space is left" in str(fault)


def test_a_read_only_database_is_told(tmp_path: Path) -> None:
    error = raised_by(tmp_path / "a.db", "PRAGMA query_only = ON", "CREATE TABLE a (b)")
    fault = fault_of(error, "here")
    assert fault is not None
    assert "read-only" in str(fault)

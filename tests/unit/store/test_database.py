from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from ekaci_core.store import open_store
from ekaci_core.testing.facts import attribute, drv, evaluated, key, record

pytestmark = pytest.mark.anyio


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Be another process in the middle of writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_a_write_cancelled_while_it_waits_for_the_lock_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    async with open_store(path) as store:
        evaluation = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        with locked(path) as other:
            with anyio.move_on_after(0.05) as scope:
                await store.add_evaluated(evaluation, [record("a")], [attribute("a")])
            assert scope.cancelled_caught
            other.execute("ROLLBACK")
        await store.add_evaluated(evaluation, [record("b")], [attribute("b")])
        assert (await store.contents(evaluation)).attributes.keys() == {"a", "b"}
    with locked(path):
        pass


async def test_others_can_be_read_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    async with open_store(path) as store:
        evaluation = await evaluated(store, [record("a")], [attribute("a")])
        with locked(path) as other:
            other.execute("DELETE FROM attribute")
            assert (await store.contents(evaluation)).attributes.keys() == {"a"}
            other.execute("COMMIT")
        assert (await store.contents(evaluation)).attributes == {}


async def test_what_was_handed_over_is_written_before_the_store_closes(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    records = [record(f"r{at}") for at in range(3000)]
    async with open_store(path) as store:
        evaluation = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.add_evaluated, evaluation, records, [])
                await anyio.lowlevel.checkpoint()
                scope.cancel()
    async with open_store(path) as store:
        assert len(await store.known_derivations([each.path for each in records])) == 3000


async def test_a_store_closes_when_its_user_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    with anyio.CancelScope() as scope:
        async with open_store(path) as store:
            await evaluated(store, [record("a")])
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert not path.with_name("facts.db-wal").exists()
    async with open_store(path) as store:
        assert await store.known_derivations([drv("a")])

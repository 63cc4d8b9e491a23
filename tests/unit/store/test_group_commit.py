from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.store.database import Database, connected
from ekaci_core.store.group_commit import GroupCommit
from ekaci_core.store.migrate import migrations, prepare

pytestmark = pytest.mark.anyio

FULL, NORMAL = 2, 1


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "facts.db"
    async with connected(path, readers=1, prepare=partial(prepare, where=str(path), steps=migrations())) as database:
        await database.write(lambda tx: tx.execute("CREATE TABLE item (name TEXT UNIQUE) STRICT").close())
        yield database


class Writer:
    """Writes items, and keeps of each group what it was and how safely it was to be written."""

    def __init__(self) -> None:
        self.groups = list[list[str]]()
        self.safety = list[int]()

    def __call__(self, connection: sqlite3.Connection, items: Sequence[str]) -> list[str]:
        self.groups.append(list(items))
        self.safety.append(connection.execute("PRAGMA synchronous").fetchone()[0])
        connection.executemany("INSERT INTO item VALUES (?)", [(each,) for each in items])
        return [f"wrote {each}" for each in items]


async def put_all(group: GroupCommit[str, str], names: Sequence[str]) -> dict[str, str | BaseException]:
    answers = dict[str, str | BaseException]()

    async def put(name: str) -> None:
        try:
            answers[name] = await group.put(name)
        except (InfrastructureFault, UnicodeEncodeError, sqlite3.IntegrityError) as error:
            answers[name] = error

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(put, name)
    return answers


async def items(database: Database) -> list[str]:
    return [name for (name,) in await database.read(lambda tx: tx.execute("SELECT name FROM item").fetchall())]


async def test_those_that_come_together_are_written_together(database: Database) -> None:
    writer = Writer()
    names = [f"n{at:03}" for at in range(600)]
    assert await put_all(GroupCommit(database, writer), names) == {name: f"wrote {name}" for name in names}
    assert await items(database) == names
    assert len(writer.groups) < 60
    assert max(len(group) for group in writer.groups) <= 256


async def test_a_group_is_on_the_disk_and_other_writes_need_not_be(database: Database) -> None:
    writer = Writer()
    group = GroupCommit(database, writer)
    await group.put("a")
    await database.write(lambda tx: writer(tx, ["b"]))
    await database.write_durably(lambda tx: writer(tx, ["c"]))
    with pytest.raises(sqlite3.IntegrityError):
        await group.put("a")
    await database.write(lambda tx: writer(tx, ["d"]))
    assert writer.safety == [FULL, NORMAL, FULL, FULL, NORMAL]


@pytest.mark.parametrize("bad", ["twice", "\udcff"])
async def test_a_group_that_fails_is_told_to_all_and_stops_nobody(database: Database, bad: str) -> None:
    """Whatever kind of error: who waits for another's transaction must not wait for ever."""
    group = GroupCommit(database, Writer())
    await group.put("twice")
    answers = await put_all(group, ["a", bad, "b"])
    stored = await items(database)
    assert isinstance(answers[bad], sqlite3.IntegrityError | UnicodeEncodeError)
    assert {name for name, answer in answers.items() if isinstance(answer, str)} == set(stored) - {"twice"}
    assert await group.put("after") == "wrote after"


@pytest.mark.parametrize("bad", [False, True])
async def test_a_group_goes_before_what_waits_already(database: Database, *, bad: bool) -> None:
    order = list[str]()
    held, begun = threading.Event(), threading.Event()

    def write(connection: sqlite3.Connection, items: Sequence[str]) -> Sequence[str]:
        order.append("group")
        connection.executemany("INSERT INTO item VALUES (?)", [(each,) for each in items])
        return items

    def hold(_: sqlite3.Connection) -> None:
        begun.set()
        held.wait(30)

    group = GroupCommit(database, write)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.run, hold)
        await anyio.to_thread.run_sync(begun.wait, 30)
        for name in "abc":
            tasks.start_soon(database.write, lambda _, name=name: order.append(name))
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(put_all, group, ["new", "new"] if bad else ["new"])
        await anyio.wait_all_tasks_blocked()
        held.set()
    assert order == ["group", "a", "b", "c"], "and what waits is written whatever becomes of the group"
    assert await items(database) == ([] if bad else ["new"])


async def test_who_is_cancelled_takes_nobody_along(database: Database) -> None:
    group = GroupCommit(database, Writer())
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(group.put, "gone")
            await anyio.lowlevel.checkpoint()
            scope.cancel()
    assert await group.put("there") == "wrote there"
    assert await items(database) == ["gone", "there"]


async def test_a_locked_database_is_a_fault_for_all(database: Database, tmp_path: Path) -> None:
    group = GroupCommit(database, Writer())
    await database.run(lambda connection: connection.execute("PRAGMA busy_timeout = 1").close())
    other = sqlite3.connect(tmp_path / "facts.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = await put_all(group, ["a", "b"])
    assert {type(each) for each in answers.values()} == {InfrastructureFault}
    other.execute("ROLLBACK")
    other.close()
    assert await group.put("a") == "wrote a"

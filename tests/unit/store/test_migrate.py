from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.store import open_store
from ekaci_core.store.migrate import Migration, check_library, migrations, prepare, statements

SCHEMAS = Path(__file__).parents[2] / "data" / "schemas"
STEPS = migrations()
NEXT = Migration(
    STEPS[-1].number + 1, "later", "ALTER TABLE attempt ADD COLUMN host TEXT;\nCREATE INDEX late ON attempt (host);"
)


def upgrade(path: Path, steps: tuple[Migration, ...] = STEPS) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        prepare(connection, where=str(path), steps=steps)


def schema(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name")
        return "".join(f"{sql};\n" for (sql,) in rows)


def fresh_schema(directory: Path, steps: tuple[Migration, ...] = STEPS) -> str:
    upgrade(directory / "fresh.db", steps)
    return schema(directory / "fresh.db")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_step_says_why_and_who_can_read_the_result(step: Migration) -> None:
    assert step.script.startswith("-- Why: ")
    assert "\n-- Readable by: " in step.script


def test_steps_are_numbered_without_a_gap() -> None:
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))


@pytest.mark.parametrize("number", [step.number for step in STEPS])
def test_the_recorded_schema_is_what_the_steps_make(number: int, tmp_path: Path) -> None:
    """A step that was edited after its schema was recorded shows here."""
    assert fresh_schema(tmp_path, STEPS[:number]) == (SCHEMAS / f"{number:04}.sql").read_text("utf-8")


@pytest.mark.parametrize("number", [step.number for step in STEPS])
def test_an_upgrade_ends_where_a_fresh_database_begins(number: int, tmp_path: Path) -> None:
    upgrade(tmp_path / "old.db", STEPS[:number])
    upgrade(tmp_path / "old.db")
    assert schema(tmp_path / "old.db") == fresh_schema(tmp_path)


def test_a_later_step_is_applied_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for steps in (STEPS, (*STEPS, NEXT), (*STEPS, NEXT)):
        upgrade(path, steps)
        with closing(sqlite3.connect(path)) as connection:
            numbers = connection.execute("SELECT number FROM migration ORDER BY number").fetchall()
        assert numbers == [(step.number,) for step in steps]


def test_a_step_that_fails_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    upgrade(path)
    script = "ALTER TABLE attempt ADD COLUMN host TEXT;\nCREATE INDEX late ON nowhere (host);"
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        upgrade(path, (*STEPS, attrs.evolve(NEXT, script=script)))
    assert schema(path) == fresh_schema(tmp_path)


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    upgrade(path, (*STEPS, NEXT))
    before = schema(path)
    with pytest.raises(InfrastructureFault, match=f"schema {NEXT.number}.*up to {STEPS[-1].number}") as raised:
        upgrade(path)
    assert raised.value.where == str(path)
    assert raised.value.do is not None
    assert "newer EkaCI" in raised.value.do
    assert schema(path) == before


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(InfrastructureFault, match="not EkaCI's"):
        upgrade(path)
    assert schema(path) == "CREATE TABLE bookmarks (url TEXT);\n"


def test_a_database_whose_steps_were_edited_is_refused(tmp_path: Path) -> None:
    edited = attrs.evolve(STEPS[0], script=STEPS[0].script + "\nCREATE TABLE draft (id INTEGER);")
    upgrade(tmp_path / "a.db", (edited,))
    with pytest.raises(InfrastructureFault, match="unreleased"):
        upgrade(tmp_path / "a.db")


def test_a_library_that_is_too_old_is_told() -> None:
    check_library((3, 37, 0))
    check_library((4, 0, 0))
    with pytest.raises(InfrastructureFault, match=r"SQLite 3\.9\.2.* needs 3\.37\.0") as raised:
        check_library((3, 9, 2))
    assert raised.value.do


def test_statements_end_at_their_own_semicolons() -> None:
    script = "-- a; comment\nCREATE TABLE a (b TEXT DEFAULT ';');\n\nINSERT INTO a VALUES (\n  'x;\ny');\n-- end\n"
    first, second, comment = statements(script)
    assert first.endswith("DEFAULT ';');")
    assert second == "INSERT INTO a VALUES (\n  'x;\ny');"
    assert comment == "-- end"


@pytest.mark.anyio
async def test_the_store_opens_with_the_newest_schema(tmp_path: Path) -> None:
    async with open_store(tmp_path / "a.db"):
        pass
    assert schema(tmp_path / "a.db") == fresh_schema(tmp_path)

"""The page about the database names all that is in it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from ekaci_core.model.hook import HookState
from ekaci_core.model.review import ReviewState
from ekaci_core.store.delivery import DeliveryState
from ekaci_core.store.migrate import migrations, prepare

PAGE = (Path(__file__).parents[3] / "docs/reference/database.md").read_text("utf-8")


def first_cells(header: str) -> set[str]:
    """The names in backquotes in the first column of a section's table."""
    section = PAGE.split(f"{header}\n", 1)[1].split("\n#", 1)[0]
    return {
        name for row in re.findall(r"^\|([^|]*`[^|]*)\|", section, re.MULTILINE) for name in re.findall("`(.*?)`", row)
    }


def test_every_table_is_on_the_page() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        prepare(connection, where="memory", steps=migrations())
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        assert first_cells("## Tables") == {name for (name,) in tables}


def test_every_state_is_on_the_page() -> None:
    assert first_cells("### `delivery.state`") == {state.value for state in DeliveryState}
    assert first_cells("### `hook_execution.state`") == {state.value for state in HookState}
    assert first_cells("### `review.state`") == {state.value for state in ReviewState}

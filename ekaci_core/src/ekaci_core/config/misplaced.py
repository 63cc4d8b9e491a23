"""Keys that stand elsewhere than they belong, where it is plain what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ekaci_core.config.convert import address
from ekaci_core.config.placed import Placed
from ekaci_core.config.schema import table_keys

_OLD_NAMES: Final = {"socket_path": ("unix", "socket_path")}
"""Keys of the top that now stand in a table."""


def put_in_place(contents: Mapping[str, Any]) -> Placed:
    """Move keys of the top out of tables, where TOML puts what is written below a table's header, and old names."""
    keys = table_keys()
    placed = Placed({name: dict(value) if isinstance(value, dict) else value for name, value in contents.items()})
    tops = (keys[""] - {""}) | _OLD_NAMES.keys()
    for table in keys.keys() - {""}:
        here = placed.contents.get(table)
        for key in [key for key in here if key in tops and key not in keys[table]] if isinstance(here, dict) else ():
            to = _OLD_NAMES.get(key, ("", key))
            why = (
                f"it is read as {address(*to)}: what stands below [{table}] is that table's; write it above all tables"
            )
            placed.take(table, key, to, why)
    for key, to in _OLD_NAMES.items():
        if key in placed.contents:
            placed.take("", key, to, f"it is read as {address(*to)}")
    return placed

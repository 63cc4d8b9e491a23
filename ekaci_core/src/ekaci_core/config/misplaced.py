"""Keys that stand elsewhere than they belong, where it is plain what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ekaci_core.config.convert import Located
from ekaci_core.config.schema import table_keys

_OLD_NAMES: Final = {"socket_path": ("unix", "socket_path")}
"""Keys of the top that now stand in a table."""


@attrs.frozen
class Placed:
    """A file's contents with every key in its place.

    Attributes:
        contents: the tables.
        moved: the address that a key has in the file by the one that it has here.
        warnings: what was moved.
        faults: what stands in two places.
    """

    contents: dict[str, Any]
    moved: dict[str, str] = attrs.field(factory=dict)
    warnings: list[Located] = attrs.field(factory=list)
    faults: list[Located] = attrs.field(factory=list)

    def take(self, table: str, key: str, to: tuple[str, str], why: str) -> None:
        """Move a key; the table is empty for the top."""
        source = self.contents[table] if table else self.contents
        target = self.contents.setdefault(to[0], {}) if to[0] else self.contents
        was, now = _address(table, key), _address(*to)
        value = source.pop(key)
        if not isinstance(target, dict):
            return  # that is a fault of its own
        if to[1] in target:
            self.faults.append(Located(was, f"it means {now}, which is there too: keep one of them", was))
            return
        target[to[1]] = value
        self.moved[now] = was
        self.warnings.append(Located(was, why, was))


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
                f"it is read as {_address(*to)}: what stands below [{table}] is that table's; write it above all tables"
            )
            placed.take(table, key, to, why)
    for key, to in _OLD_NAMES.items():
        if key in placed.contents:
            placed.take("", key, to, f"it is read as {_address(*to)}")
    return placed


def _address(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key

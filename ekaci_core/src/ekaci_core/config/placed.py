"""What a file of TOML says once every key is where it belongs."""

from __future__ import annotations

from typing import Any

import attrs

from ekaci_core.config.convert import Located, address


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
        was, now = address(table, key), address(*to)
        value = source.pop(key)
        if not isinstance(target, dict):
            return  # that is a fault of its own
        if to[1] in target:
            self.faults.append(Located(was, f"it means {now}, which is there too: keep one of them", was))
            return
        target[to[1]] = value
        self.moved[now] = was
        self.warnings.append(Located(was, why, was))

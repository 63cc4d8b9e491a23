"""The lines of source that Nix shows below the position of an error."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

_BARE_POSITION: Final = re.compile(r"^ *at (?P<file>/.*):(?P<line>\d+):(?P<column>\d+):\s*\Z", re.MULTILINE)


def with_excerpt(text: str) -> str:
    """Complete an error text that ends in a position, as Nix would have: the line, its neighbours and an arrow."""
    match = _BARE_POSITION.search(text)
    if match is None:
        return text
    line, column = int(match["line"]), int(match["column"])
    try:
        lines = _lines(match["file"])
    except OSError:
        return text
    if not 0 < line <= len(lines):
        return text
    shown = [""]
    for number in (line - 1, line, line + 1):
        if 0 < number <= len(lines):
            shown.append(f"       {number:>6}| {lines[number - 1]}")
        if number == line:
            shown.append(" " * 13 + "|" + " " * column + "^")
    return text.rstrip() + "\n" + "\n".join(shown)


@lru_cache(maxsize=4)
def _lines(file: str) -> list[str]:
    return Path(file).read_text(errors="replace").split("\n")

"""Text from builds and pull requests, made harmless for terminals, web pages and XML."""

from __future__ import annotations

import re
from typing import Final

LONGEST_LINE: Final = 500
"""Characters of one line of a log that reports show."""

_ESCAPE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\r\n]*(?:\x07|\x1b\\|\x9c)?"  # window titles, links
    r"|\x1b[ -/]*[0-~]?"
)
_LINE_END: Final = re.compile(r"\r?\n|[\x0b\x0c\x85\u2028\u2029]")


def _unwanted() -> dict[int, str]:
    controls = (*range(0x20), *range(0x7F, 0xA0))
    directions = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
    dropped = dict.fromkeys((*controls, *directions, 0x2028, 0x2029, 0xFFFE, 0xFFFF), "")
    return dropped | dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


_UNWANTED: Final = _unwanted()


def clean_lines(text: str) -> list[str]:
    """Split into lines without escape sequences, control characters, or characters that reorder what is read.

    A line that overwrote itself with carriage returns is what stood there last; lines are cut at `LONGEST_LINE`.
    """
    lines = (_last_overwrite(line) for line in _LINE_END.split(_ESCAPE.sub("", text)))
    return [_cut(line.expandtabs(8).translate(_UNWANTED).rstrip()) for line in lines]


def clean(text: str) -> str:
    """Make one line of it, cut at `LONGEST_LINE`; what is short and safe already comes back as it is."""
    if text.isascii() and text.isprintable():
        return _cut(text)
    return _cut(" ".join(part for part in clean_lines(text) if part))


def _last_overwrite(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"

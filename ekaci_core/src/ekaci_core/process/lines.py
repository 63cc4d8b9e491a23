"""From bytes to lines, in memory that does not grow with what a child writes."""

from __future__ import annotations

from typing import Final

import attrs

LINE_BYTES: Final = 1024 * 1024
"""Longest line that is kept whole, unless a caller says otherwise."""


@attrs.frozen
class Line:
    """One line without its newline; ``cut`` where the rest of it was too long to keep."""

    data: bytes
    cut: bool = False

    @property
    def text(self) -> str:
        """The line as text, with U+FFFD for what is not UTF-8."""
        return self.data.decode(errors="replace")


class LineSplitter:
    """Cuts a byte stream into lines of at most ``limit`` bytes each."""

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._begun: list[bytes] = []
        self._size = 0
        self._cut = False

    def feed(self, chunk: bytes) -> list[Line]:
        """Take the next bytes and return the lines that they complete."""
        head, *rest = chunk.split(b"\n")
        self._extend(head)
        if not rest:
            return []
        last = rest.pop()
        lines = [self._take()]
        limit = self._limit
        lines += [Line(part) if len(part) <= limit else Line(part[:limit], cut=True) for part in rest]
        self._extend(last)
        return lines

    def end(self) -> list[Line]:
        """Return the last line where it had no newline."""
        return [self._take()] if self._size else []

    def _extend(self, part: bytes) -> None:
        room = self._limit - self._size
        if len(part) > room:
            self._cut = True
            part = part[:room]
        if part:
            self._begun.append(part)
            self._size += len(part)

    def _take(self) -> Line:
        line = Line(b"".join(self._begun), self._cut)
        self._begun, self._size, self._cut = [], 0, False
        return line

"""The parts that a report for a terminal is set from."""

from __future__ import annotations

import enum
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs

from ekaci_core.model.verdict import Decision, Verdict


class Tone(enum.Enum):
    """How a piece of text is meant; whoever prints chooses the colour."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"
    ATTENTION = "attention"
    HEADING = "heading"
    DIM = "dim"


Style = Callable[[str, Tone], str]


def plain(text: str, tone: Tone) -> str:  # noqa: ARG001 - the style that ignores tones
    """Show every tone alike."""
    return text


SAID: Final = {
    Decision.MERGE: ("✓", "merge", Tone.GOOD),
    Decision.WAIT: ("…", "wait", Tone.WAITING),
    Decision.DO_NOT_MERGE: ("✗", "do not merge", Tone.BAD),
}
"""The sign, words and tone of each decision."""

_NARROWEST: Final = 40
_NARROWEST_CELL: Final = 12
_GAP: Final = 2


@attrs.frozen
class Toned:
    """A text and how it is meant."""

    text: str
    tone: Tone


Cell = str | Toned


def verdict_line(verdict: Verdict, *, width: int | None = None, style: Style = plain) -> str:
    """Say the verdict and its first reason in one line, cut to the width."""
    sign, words, tone = SAID[verdict.decision]
    start = f"{sign} {words}"
    attention = " (needs attention)" if verdict.attention else ""
    why = f": {verdict.reasons[0].text}" if verdict.reasons else ""
    if width is not None:
        why = shortened(why, max(width - columns_of(start + attention), _NARROWEST_CELL))
    return style(start, tone) + why + (style(attention, Tone.ATTENTION) if attention else "")


@attrs.frozen
class Page:
    """A page of a given width; None leaves lines as long as they are, for files and pipes."""

    width: int | None = None
    style: Style = plain

    def heading(self, title: str, count: int | None = None, tone: Tone = Tone.HEADING) -> str:
        """Set a section's title, with the number of things in it."""
        return self.style(title, tone) if count is None else f"{self.style(title, tone)} {count:,}"

    def wrapped(self, text: str, *, indent: str, hanging: str | None = None) -> list[str]:
        """Set a sentence, its further lines below ``hanging``."""
        further = " " * len(indent) if hanging is None else hanging
        if self.width is None:
            return [indent + text]
        return textwrap.wrap(
            text,
            max(self.width, _NARROWEST),
            initial_indent=indent,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [indent.rstrip()]

    def rows(self, rows: Iterable[Sequence[Cell]], *, indent: int = 2) -> list[str]:
        """Set columns; only the last may be cut to fit, and one long cell does not push the others apart."""
        set_rows = [[each if isinstance(each, Toned) else Toned(each, Tone.PLAIN) for each in row] for row in rows]
        columns = max((len(row) for row in set_rows), default=0)
        most = (self.width or 120) * 2 // 5
        widths = [
            max((shown for row in set_rows if at < len(row) and (shown := columns_of(row[at].text)) <= most), default=0)
            for at in range(columns)
        ]
        return [self._row(row, widths, indent) for row in set_rows]

    def _row(self, row: Sequence[Toned], widths: Sequence[int], indent: int) -> str:
        line, used = " " * indent, indent
        for at, cell in enumerate(row):
            last = at == len(row) - 1
            fits = self.width is None or not last
            text = cell.text if fits else shortened(cell.text, max((self.width or 0) - used, _NARROWEST_CELL))
            padding = 0 if last else max(widths[at] - columns_of(text), 0) + _GAP
            line += self.toned(text, cell.tone) + " " * padding
            used += columns_of(text) + padding
        return line.rstrip()

    def toned(self, text: str, tone: Tone) -> str:
        """Put a tone to a text where there is something to see."""
        return self.style(text, tone) if text and tone is not Tone.PLAIN else text

    def quoted(self, lines: Iterable[str], *, indent: int = 4) -> list[str]:
        """Set lines of a log behind a bar, folded rather than cut."""
        bar = " " * indent + "│ "
        room = None if self.width is None else max(self.width - len(bar), _NARROWEST)
        return [
            self.style((bar + part).rstrip(), Tone.DIM)
            for line in lines
            for part in ([line] if room is None else _folded(line, room))
        ]


def columns_of(text: str) -> int:
    """Count the columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def shortened(text: str, room: int) -> str:
    """Cut a text to so many columns, with an ellipsis where something is missing."""
    if columns_of(text) <= room:
        return text
    while text and columns_of(text) > room - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def _folded(line: str, room: int) -> list[str]:
    parts = []
    while columns_of(line) > room:
        at = room
        while columns_of(line[:at]) > room:
            at -= 1
        parts.append(line[:at])
        line = line[at:]
    return [*parts, line]

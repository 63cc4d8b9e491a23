"""Finds secrets in bytes. One automaton looks for all of them at once, so that their number costs little."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from ekaci_core.telemetry.forms import LONG

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

_PIECE: Final = LONG // 2
_SPACES: Final = b" ", b"\n", b"\t", b"\r"

Span = tuple[int, int]


class Masks:
    """Where forms of secrets stand in bytes.

    A form without spaces of `LONG` bytes or more is looked for in pieces that lie end to end. Any part of it that is
    at least twice as long as a piece, less one, has one of them whole, and from there it is followed both ways.
    """

    def __init__(self, forms: Collection[bytes]) -> None:
        """Prepare to look for ``forms``, of which there is at least one."""
        self._spaced = [form for form in forms if any(space in form for space in _SPACES)]
        self._places: list[list[tuple[bytes, int]]] = []
        self.longest = max(map(len, forms))
        places: dict[bytes, list[tuple[bytes, int]]] = {}
        spaced = set(self._spaced)
        for form in sorted(forms):
            for at, piece in _pieces(form, whole=form in spaced):
                places.setdefault(piece, []).append((form, at))
        self._places = list(places.values())
        self._automaton = _automaton(list(places))

    def spans(self, data: bytes) -> list[Span]:
        """Return where they stand, in order and apart from each other."""
        found: list[Span] = []
        followed: dict[tuple[bytes, int], int] = {}
        for index, start, end in self._automaton.find_matches_as_indexes(data, overlapping=True):
            for form, at in self._places[index]:
                if followed.get((form, start - at), 0) < end:
                    span = _followed(data, start, form, at)
                    followed[form, start - at] = span[1]
                    _join(found, span)
        return found

    def undecided(self, data: bytes) -> int:
        """Return how many bytes at the end may belong to a form that goes on in what comes next."""
        run = len(data) - 1 - max(data.rfind(space) for space in _SPACES)
        return max((run, *(_begun(data, form) for form in self._spaced))) if data else 0


def _pieces(form: bytes, *, whole: bool) -> Iterator[tuple[int, bytes]]:
    if whole or len(form) < LONG:
        yield 0, form
        return
    last = len(form) - _PIECE
    for at in (*range(0, last, _PIECE), last):
        yield at, form[at : at + _PIECE]


def _followed(data: bytes, start: int, form: bytes, at: int) -> Span:
    """Follow a form both ways from where it and the data are known to agree."""
    end, upto = start, at
    while end < len(data) and upto < len(form) and data[end] == form[upto]:
        end, upto = end + 1, upto + 1
    while start and at and data[start - 1] == form[at - 1]:
        start, at = start - 1, at - 1
    return start, end


def _join(found: list[Span], span: Span) -> None:
    """Add a span; those that it touches become one with it."""
    start, end = span
    while found and found[-1][1] >= start:
        earlier = found.pop()
        start, end = min(start, earlier[0]), max(end, earlier[1])
    found.append((start, end))


def _begun(data: bytes, form: bytes) -> int:
    """How much of the beginning of a form the data end with, short of all of it."""
    last = data[-1:]
    length = form.rfind(last, 0, min(len(form) - 1, len(data))) + 1
    while length and not data.endswith(form[:length]):
        length = form.rfind(last, 0, length - 1) + 1
    return length


def _automaton(patterns: list[bytes]) -> BytesAhoCorasick:
    from ahocorasick_rs import BytesAhoCorasick  # noqa: PLC0415 - a review has no secrets, and needs no automaton

    return BytesAhoCorasick(patterns)

"""What a run keeps of each of its derivations for ever, packed: all that follows from an event can be told from it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.blockers import Blockers
from ekaci_core.scheduler.node import UNWANTED, Node
from ekaci_core.scheduler.wishes import Share

UNNAMED: Final = DrvPath("")
"""Stands for the derivation in the state of one that is not in memory; its number in the store says which it is."""

_STATES: Final = {int(state): state for state in BuildState}  # a look costs a tenth of making one from a number

Standing = tuple[int, tuple[Share, ...]]
"""The greatest priority of those that want a derivation, and their shares; few are different."""

_2_BYTES: Final = 2
_MOST_IN_2_BYTES: Final = 0xFFFF
_PAGE_BITS: Final = 8
_PAGE: Final = 1 << _PAGE_BITS
_HINT_BITS: Final = 5
_WANTED: Final = 1
_FAILURES_FROM: Final = 1


class Residue:
    """Columns with a row for each derivation of the run, in the order in which they came: inputs before dependents.

    Nothing is ever taken out: some 32 bytes a derivation and 4 for each edge. Edges are kept from inputs to
    dependents, which the database does not have; the other way is in each `Node`, and in the database.

    Attributes:
        keys: numbers in the store, by row.
        states: numbers of states, by row.
        missing: how many inputs have not succeeded, by row.
        seconds: see `Node`.
        chains: see `Node`.
        blockers: see `Build`, by row.
        standings: greatest priorities and shares, as `Node` has them, by number.
    """

    def __init__(self) -> None:
        self.keys = array("I")
        self.states = bytearray()
        self.missing = array("H")  # of "I" once there is one with so many inputs
        self.seconds = array("f")
        self.chains = array("f")
        self.blockers = Blockers()
        self._flags = bytearray()
        self.standings: list[Standing] = [(UNWANTED, ())]
        self._number_of: dict[Standing, int] = {self.standings[0]: 0}
        self._standing = array("H")  # of "I" once there are so many
        self._pages: dict[int, array[int]] = {}
        # The edges of a row are those from _first[row] on. Each edge is one to an input; _next leads to the next edge
        # to the same input, and _last to the newest one; both are one more than the edge, and 0 where there is none.
        self._first = array("I", [0])
        self._last = array("I")
        self._next = array("I")
        self._hints = array("I", [0])  # every so many edges, the row that the edge before belongs to

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: int) -> bool:
        page = self._pages.get(key >> _PAGE_BITS)
        return page is not None and page[key & (_PAGE - 1)] > 0

    def row(self, key: int) -> int:
        """Return the row of a derivation.

        Raises:
            KeyError: it is not in the run.
        """
        page = self._pages.get(key >> _PAGE_BITS)
        if page is None or not page[key & (_PAGE - 1)]:
            raise KeyError(key)
        return page[key & (_PAGE - 1)] - 1

    def rows(self, keys: Iterable[int]) -> list[int]:
        """Return the rows of several."""
        return [self.row(key) for key in keys]

    def append(self, node: Node) -> None:
        """Take in a derivation whose inputs are in. From now on it has the rows of its inputs."""
        node.row = row = len(self.keys)
        node.below, node.inputs = array("I", self.rows(node.inputs)), ()
        self.keys.append(node.key)
        self._pages.setdefault(node.key >> _PAGE_BITS, array("I", bytes(4 * _PAGE)))[node.key & (_PAGE - 1)] = row + 1
        self.states.append(node.build.state)
        self._flags.append(node.build.failures << _FAILURES_FROM)
        if node.build.blockers:
            self.blockers.put(row, node.build.blockers)
        self.seconds.append(node.seconds)
        self.chains.append(0.0)
        self._standing.append(0)
        self._last.append(0)
        missing, states, latest, following = 0, self.states, self._last, self._next
        for below in node.below:
            missing += states[below] != BuildState.SUCCESS
            following.append(latest[below])
            latest[below] = edge = len(following)
            if not edge & ((1 << _HINT_BITS) - 1):
                self._hints.append(row)
        self._first.append(len(self._next))
        if missing > _MOST_IN_2_BYTES and self.missing.itemsize == _2_BYTES:
            self.missing = array("I", self.missing)
        self.missing.append(missing)

    def dependents(self, row: int) -> Iterator[int]:
        """Iterate over the rows of those that need it directly, the newest first."""
        following, first, hints, last = self._next, self._first, self._hints, len(self.keys)
        edge = self._last[row]
        while edge:
            edge -= 1
            hint = edge >> _HINT_BITS
            high = hints[hint + 1] + 1 if hint + 1 < len(hints) else last
            yield bisect_right(first, edge, hints[hint], high) - 1
            edge = following[edge]

    def is_needed(self, row: int) -> bool:
        """Whether anything needs it."""
        return self._last[row] > 0

    def build(self, row: int) -> Build:
        """Return the state of a derivation that need not be in memory, so without its name."""
        return Build(UNNAMED, self.state(row), self.failures(row), self.blockers[row])

    def state(self, row: int) -> BuildState:
        """Return a state."""
        return _STATES[self.states[row]]

    def failures(self, row: int) -> int:
        """Return how many failures were counted."""
        return self._flags[row] >> _FAILURES_FROM

    def put(self, row: int, build: Build) -> None:
        """Take over a state."""
        self.states[row] = build.state
        flags = self._flags[row]
        if flags >> _FAILURES_FROM != build.failures:
            self._flags[row] = build.failures << _FAILURES_FROM | (flags & _WANTED)
        self.blockers.put(row, build.blockers)

    def is_wanted(self, row: int) -> bool:
        """Whether somebody asked for it, and not just for something that needs it."""
        return bool(self._flags[row] & _WANTED)

    def want(self, row: int) -> None:
        """Note that somebody asked for it."""
        self._flags[row] |= _WANTED

    def unwant(self, row: int) -> None:
        """Note that nobody asks for it any more, though something that needs it may be asked for."""
        self._flags[row] &= ~_WANTED

    def standing(self, row: int) -> int:
        """Return the number of its standing."""
        return self._standing[row]

    def stand(self, row: int, number: int) -> None:
        """Give it another standing."""
        self._standing[row] = number

    def raised(self, number: int, priority: int, share: Share) -> int:
        """Return the number of the standing that something has which another one wants as well."""
        before, shares = self.standings[number]
        return self._numbered((max(before, priority), shares if share in shares else (*shares, share)))

    def lowered(self, number: int, share: Share) -> int:
        """Return the number of the standing that something has which a share does not want any more.

        Where others want it, its priority stays; what nobody wants has none.
        """
        priority, shares = self.standings[number]
        left = tuple(each for each in shares if each != share)
        return self._numbered((priority if left else UNWANTED, left))

    def _numbered(self, standing: Standing) -> int:
        known = self._number_of.setdefault(standing, len(self.standings))
        if known == len(self.standings):
            self.standings.append(standing)
            if known > _MOST_IN_2_BYTES and self._standing.itemsize == _2_BYTES:
                self._standing = array("I", self._standing)
        return known

    def in_states(self, states: Collection[BuildState]) -> Iterator[int]:
        """Iterate over the rows that are in one of these states when their turn comes, ascending."""
        for row, state in enumerate(self.states):
            if state in states:
                yield row

"""What is still to be evaluated, and who does what next. Pure: no processes, no clock."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Final

import attrs

from ekaci_core.builtin.evaluators.selection import Selection
from ekaci_core.model.ids import AttrPath

BATCH: Final = 32
_SMALLEST_BATCH: Final = 4


class Mode(enum.Enum):
    """How an attribute is evaluated; the value is the word of worker.nix."""

    FULL = "full"
    PROBE = "probe"  # only whether it is a set to look into
    META = "meta"  # again, because its meta failed the quick way


@attrs.frozen
class Batch:
    """Attributes of one set for one worker, evaluated in order. The empty prefix and no names: the job itself.

    ``alone``: it killed a worker and is tried once more, as the first thing in a fresh one.
    """

    prefix: tuple[str, ...]
    names: tuple[str, ...]
    mode: Mode = Mode.FULL
    alone: bool = False
    top: bool = False

    @property
    def size(self) -> int:
        """How many items it has."""
        return 1 if self.top else len(self.names)

    def path(self, index: int) -> tuple[str, ...]:
        """The way to one of its items."""
        return () if self.top else (*self.prefix, self.names[index])

    def only(self, index: int, *, mode: Mode | None = None, alone: bool = False) -> Batch:
        """One of its items as a batch."""
        names = () if self.top else (self.names[index],)
        return attrs.evolve(self, names=names, mode=mode or self.mode, alone=alone)

    def after(self, index: int) -> Batch | None:
        """What follows an item."""
        names = self.names[index:]
        return attrs.evolve(self, names=names, alone=False) if names else None


@attrs.define(eq=False)
class _Pile:
    prefix: tuple[str, ...]
    names: deque[str]
    mode: Mode
    home: int | None


class Frontier:
    """Hands out batches so that the attributes of one set stay with one worker, which has evaluated what they share.

    A worker without work of its own takes from the far end of the largest set that is left.
    """

    def __init__(self, selection: Selection, workers: int, known: Collection[AttrPath] = ()) -> None:
        """Begin with the job itself; attributes in ``known`` are left out."""
        self._selection = selection
        self._workers = workers
        self._known = known
        self._piles: list[_Pile] = []
        self._again: deque[tuple[Batch, int | None]] = deque([(Batch((), (), top=True), None)])
        self._left = 0

    def __bool__(self) -> bool:
        return bool(self._again or self._piles)

    def add(self, prefix: tuple[str, ...], names: Iterable[str], home: int | None) -> None:
        """Add the attributes of a set, found by worker ``home``; those that were not asked for are dropped."""
        wanted: dict[Mode, list[str]] = {Mode.FULL: [], Mode.PROBE: []}
        for name in names:
            attr = AttrPath.of((*prefix, name))
            if attr in self._known:
                continue
            if self._selection.wants(attr):
                wanted[Mode.FULL].append(name)
            elif self._selection.may_hold(attr):
                wanted[Mode.PROBE].append(name)
        for mode, chosen in wanted.items():
            if chosen:
                self._piles.append(_Pile(prefix, deque(chosen), mode, home))
                self._left += len(chosen)

    def again(self, batch: Batch | None, home: int | None) -> None:
        """Put back what worker ``home`` has not done."""
        if batch is not None:
            self._again.append((batch, home))

    def take(self, worker: int, *, fresh: bool) -> Batch | None:
        """Return what a worker does next; None if there is nothing for it now.

        A batch that must run alone is given to a fresh worker only; see `waits_for_fresh`.
        """
        left = next(self._put_back(worker, fresh=fresh, own=True), None)
        if left is None and self._own_pile(worker) is None:
            left = next(self._put_back(worker, fresh=fresh, own=False), None)
        if left is not None:
            self._again.remove(left)
            return left[0]
        pile = self._own_pile(worker) or max(self._piles, key=lambda pile: len(pile.names), default=None)
        return None if pile is None else self._cut(pile, worker)

    @property
    def waits_for_fresh(self) -> bool:
        """Whether a batch waits for a fresh worker."""
        return any(batch.alone for batch, _ in self._again)

    def _put_back(self, worker: int, *, fresh: bool, own: bool) -> Iterator[tuple[Batch, int | None]]:
        for batch, home in self._again:
            if (fresh and own) if batch.alone else (home in (None, worker) or not own):
                yield batch, home

    def _own_pile(self, worker: int) -> _Pile | None:
        return next((pile for pile in self._piles if pile.home is None or pile.home == worker), None)

    def _cut(self, pile: _Pile, worker: int) -> Batch:
        # Towards the end batches get small, so that all workers end together.
        size = max(_SMALLEST_BATCH, min(BATCH, self._left // (4 * self._workers)))
        own = pile.home is None or pile.home == worker
        taken = [pile.names.popleft() if own else pile.names.pop() for _ in range(min(size, len(pile.names)))]
        self._left -= len(taken)
        if not pile.names:
            self._piles.remove(pile)
        return Batch(pile.prefix, tuple(taken if own else reversed(taken)), pile.mode)

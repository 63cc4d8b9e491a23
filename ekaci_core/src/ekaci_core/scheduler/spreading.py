"""How far the end of a derivation reaches, found as it is gone through: what it costs is paid part by part."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

import attrs

from ekaci_core.model.build import BuildState, DependencyFailed, DependencyInterrupted
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.node import FAILED
from ekaci_core.scheduler.residue import Residue

_SUCCESS = BuildState.SUCCESS


def reached(residue: Residue, row: int, *, beyond_interrupted: bool = True) -> Iterator[int]:
    """Go through the rows of all that the end of one reaches, inputs first; states count as they are by then.

    A dependent that failed by itself speaks for all that need it. One that was interrupted does so only for another
    interruption: a failure makes it a transitive failure.
    """
    heap = list(residue.dependents(row))  # of smaller rows than what needs them
    heapify(heap)
    last = row
    while heap:
        row = heappop(heap)
        if row == last or residue.states[row] == _SUCCESS:
            continue
        last = row
        state = residue.state(row)
        speaks = state in FAILED or (state.is_interruption and not beyond_interrupted)
        yield row
        if not speaks:
            for above in residue.dependents(row):
                heappush(heap, above)


@attrs.frozen(eq=False)
class Spread:
    """A failure or an interruption on its way to all that it reaches: the ``rows`` that are left.

    Those that come into the graph meanwhile inherit it where it has been, and are reached by it elsewhere.
    """

    drv: DrvPath
    event: DependencyFailed | DependencyInterrupted
    rows: Iterator[int]

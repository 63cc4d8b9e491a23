"""One derivation of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from ekaci_core.model.build import Build, BuildState
from ekaci_core.scheduler.placement import Lane
from ekaci_core.scheduler.wishes import Share

UNWANTED: Final = -1
"""Below every priority: nobody wants it, nor what needs it."""

Rank = tuple[int, float, int]
"""Order of starting, smallest first."""

RUNNABLE: Final = frozenset({BuildState.BUILDABLE, BuildState.FAILED_RETRY})
ACTIVE: Final = RUNNABLE | {BuildState.BUILDING}
"""States in which a derivation and its direct neighbours stay in memory."""

FAILED: Final = frozenset({BuildState.FAILURE, BuildState.UNSATISFIABLE})


@attrs.define(eq=False)
class Node:
    """A derivation that must be built, as long as it is in memory. At any time there is at most one for each.

    Attributes:
        key: its number in the store; inputs have smaller ones.
        build: its state as of now; the store has it a moment later, before anything comes of it.
        lane: the builders that can take it.
        obstacle: why the lane is empty.
        inputs: the numbers of those of its direct inputs that must be built too, until it is in the graph.
        row: where `Residue` has it.
        below: where it has its inputs, once it is in the graph.
        priority: the greatest of those that want it.
        seconds: how long it is expected to take.
        chain: how long the longest way from it to a derivation that nothing needs is expected to take, itself included.
        shares: those who want it, or something that needs it.
        queued: whether it waits for a slot.
        foreign: whether another living worker has it in hand. Then what it goes through here is not recorded, since
            the other records what really happens, until that one has ended.
    """

    key: int
    build: Build
    lane: Lane
    obstacle: str = ""
    inputs: Sequence[int] = ()
    row: int = -1
    below: Sequence[int] = ()
    priority: int = UNWANTED
    seconds: float = 1.0
    chain: float = 0.0
    shares: tuple[Share, ...] = ()
    queued: bool = False
    foreign: bool = False

    @property
    def rank(self) -> Rank:
        """Priority first, then the longest way to go, then inputs before dependents."""
        return (-self.priority, -self.chain, self.key)

"""One derivation of a run."""

from __future__ import annotations

from array import array
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
FAILED: Final = frozenset({BuildState.FAILURE, BuildState.UNSATISFIABLE})


@attrs.define(eq=False)
class Node:
    """A derivation that must be built.

    Attributes:
        key: its number in the store; inputs have smaller ones.
        build: its state as of now; the store has it a moment later, before anything comes of it.
        lane: the builders that can take it.
        obstacle: why the lane is empty.
        inputs: those of its direct inputs that must be built too.
        dependents: those of the run that need it directly.
        missing: how many of its inputs have not succeeded.
        priority: the greatest of those that want it.
        seconds: how long it is expected to take.
        chain: how long the longest way from it to a derivation that nothing needs is expected to take, itself included.
        shares: those who want it, or something that needs it.
        wanted: whether somebody asked for it, and not just for something that needs it.
        queued: whether it waits for a slot.
        foreign: whether another living worker has it in hand. Then what it goes through here is not recorded, since
            the other records what really happens, until that one has ended.
    """

    key: int
    build: Build
    lane: Lane
    obstacle: str = ""
    inputs: Sequence[int] = ()
    dependents: array[int] = attrs.field(factory=lambda: array("I"))
    missing: int = 0
    priority: int = UNWANTED
    seconds: float = 1.0
    chain: float = 0.0
    shares: tuple[Share, ...] = ()
    wanted: bool = False
    queued: bool = False
    foreign: bool = False

    @property
    def rank(self) -> Rank:
        """Priority first, then the longest way to go, then inputs before dependents."""
        return (-self.priority, -self.chain, self.key)

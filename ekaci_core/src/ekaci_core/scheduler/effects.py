"""What follows from events, and what the rules need to go on where not all derivations are in memory."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import attrs

from ekaci_core.model.build import Build
from ekaci_core.scheduler.node import Node


@attrs.frozen
class Step:
    """A transition to record: the state after it, and why; ``key`` is the derivation's number where it is at hand.

    With a key, the state may be `UNNAMED`.
    """

    build: Build
    cause: str
    key: int | None = None


@attrs.define
class Effects:
    """What an event brought about.

    Attributes:
        steps: transitions, in the order in which they are to be recorded.
        ready: what may start, or moves forward in the queue, once the steps are recorded.
        ended: wanted derivations that came to a terminal state.
        stopped: numbers of what is being built and nobody wants any more.
        absent_ready: numbers of those that belong to ``ready`` and are not in memory.
        absent_ended: numbers of those that belong to ``ended`` and are not in memory.
        most: how many may be released, and how many reached by a failure, at once; the graph keeps the rest. None: any
            number.
    """

    steps: list[Step] = attrs.field(factory=list)
    ready: list[Node] = attrs.field(factory=list)
    ended: list[Node] = attrs.field(factory=list)
    stopped: list[int] = attrs.field(factory=list)
    absent_ready: list[int] = attrs.field(factory=list)
    absent_ended: list[int] = attrs.field(factory=list)
    most: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether no more may be released now."""
        return self.most is not None and len(self.ready) + len(self.absent_ready) >= self.most

    @property
    def is_long(self) -> bool:
        """Whether failures may reach no more now."""
        return self.most is not None and len(self.steps) >= self.most


@attrs.frozen
class NeedInputs:
    """The inputs of these derivations, by number, are needed; the answer maps each row to those of its inputs."""

    keys: Sequence[int]


@attrs.frozen
class NeedNodes:
    """These derivations, by number, are needed in memory."""

    keys: Sequence[int]


Need = NeedInputs | NeedNodes

Inputs = Mapping[int, Sequence[int]]
"""Rows of the inputs, by row."""

Walk = Generator[Need, Inputs, None]
"""A rule that goes through many derivations. It stops where it needs what is not in memory; meanwhile its effects may
be recorded, and other events may happen."""


def at_once(walk: Walk) -> None:
    """Follow a walk where all is in memory.

    Raises:
        LookupError: something is not.
    """
    for need in walk:
        raise LookupError(f"not in memory: {need}")

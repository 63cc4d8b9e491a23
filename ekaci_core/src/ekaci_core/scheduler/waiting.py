"""Why a derivation waits, in words: pure, so that every way of asking gives the same answer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.model.ids import DrvPath

_NAMED: Final = 3


@attrs.frozen
class Wait:
    """What keeps a derivation.

    Attributes:
        state: where it stands.
        inputs: how many derivations it needs directly.
        missing: how many of those are unfinished.
        position: among what could start and needs the same kind of slot, from 1; None where it could not start.
        among: how many those are.
        kind: of slot, for example ``x86_64-linux``.
        builder: who builds it.
        obstacle: why no builder takes it; empty where one does.
        blockers: what was interrupted that it needs.
        abandoned: whether no process is there that would go on with it.
    """

    state: BuildState
    inputs: int = 0
    missing: int = 0
    position: int | None = None
    among: int = 0
    kind: str = ""
    builder: str | None = None
    obstacle: str = ""
    blockers: frozenset[DrvPath] = frozenset()
    abandoned: bool = False


def why(wait: Wait) -> str:  # noqa: PLR0911 - one return for each reason
    """Say it in one line."""
    if wait.state is BuildState.BUILDING and not wait.abandoned:
        return f"builds on {wait.builder}" if wait.builder else "is about to be recorded"
    if wait.blockers:
        return f"blocked by {names(wait.blockers)}"
    if wait.obstacle:
        return wait.obstacle
    if wait.abandoned:
        return "the process that queued it has ended: waits for a review or build that needs it"
    if wait.missing:
        return f"waits for {wait.missing} of {wait.inputs} input{'' if wait.inputs == 1 else 's'}"
    if wait.position is not None:
        again = "failed once, " if wait.state is BuildState.FAILED_RETRY else ""
        return f"{again}no free slot: position {wait.position} of {wait.among} for {wait.kind}"
    return "its inputs are there: is about to be queued for a slot"


def names(drvs: Collection[DrvPath]) -> str:
    """Name the first few, sorted, and count the others."""
    shown = sorted(drv.name for drv in drvs)
    rest = len(shown) - _NAMED
    return ", ".join(shown[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")

"""What the builds of both sides say together about an attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, Change, JobComparison, Outcome, Side, Standing
from ekaci_core.model.ids import DrvPath

FAILING: Final = frozenset({BuildState.FAILURE, BuildState.TRANSITIVE_FAILURE, BuildState.TIMEOUT})
"""States that are evidence of a fault in what was built. A timeout is one: its limit is the repository's to keep.

Every other state but success is no evidence at all: the machine, the person or the scheduler ended the attempt, no
builder takes it, or nothing was tried.
"""


def standing_of(change: AttributeChange, base: BuildState | None, head: BuildState | None) -> Standing:
    """Judge one attribute by the states of its derivation on both sides; None says that nothing is known.

    An attribute that base could not evaluate was failing there, and that is known.
    """
    if change.change is Change.REMOVED:
        return Standing.REMOVED
    base_fails = change.base_fault or base in FAILING
    if head in FAILING:
        if base_fails:
            return Standing.STILL_FAILING
        regressed = change.change is Change.ADDED or base is BuildState.SUCCESS
        return Standing.NEWLY_FAILING if regressed else Standing.FAILING_BASE_UNKNOWN
    return _succeeding(change, base, base_fails=base_fails) if head is BuildState.SUCCESS else Standing.UNKNOWN


def _succeeding(change: AttributeChange, base: BuildState | None, *, base_fails: bool) -> Standing:
    if base_fails:
        return Standing.NEWLY_SUCCEEDING
    if change.change is Change.ADDED:
        return Standing.ADDED_SUCCEEDING
    return Standing.STILL_SUCCEEDING if base is BuildState.SUCCESS else Standing.SUCCEEDING_BASE_UNKNOWN


def outcomes_of(comparisons: Iterable[JobComparison], builds: Mapping[DrvPath, Build]) -> tuple[Outcome, ...]:
    """Judge every attribute that is not the same derivation on both sides, in the order of the comparisons."""
    return tuple(_outcome(change, builds) for comparison in comparisons for change in comparison.changes)


def _outcome(change: AttributeChange, builds: Mapping[DrvPath, Build]) -> Outcome:
    base_state = _state(change.base, builds)
    head_state = _state(change.head, builds)
    return Outcome(
        change=change,
        base_state=base_state,
        head_state=head_state,
        standing=standing_of(change, base_state, head_state),
    )


def _state(side: Side | None, builds: Mapping[DrvPath, Build]) -> BuildState | None:
    build = builds.get(side.drv) if side else None
    return build.state if build else None

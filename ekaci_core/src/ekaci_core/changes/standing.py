"""What the builds of both sides say together about an attribute."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, Change, JobComparison, Outcome, Side, Standing
from ekaci_core.model.ids import DrvPath

FAILED: Final = frozenset({BuildState.FAILURE, BuildState.TIMEOUT})
"""States that are evidence of a fault in what was built. A timeout is one: it hung, or its limit is too low."""

_HELD_UP: Final = frozenset({BuildState.TRANSITIVE_FAILURE, BuildState.BLOCKED})


def works(build: Build | None, builds: Mapping[DrvPath, Build]) -> bool | None:
    """Say whether a derivation works as far as builds prove it; None where there is no evidence.

    What a dependency holds up does not work if that dependency failed or timed out. A dependency that no builder
    takes, or that the machine, a person or the scheduler interrupted, proves nothing.

    Args:
        build: the derivation's own build.
        builds: at least the builds of its blockers.
    """
    if build is None:
        return None
    if build.state is BuildState.SUCCESS:
        return True
    if build.state in _HELD_UP:
        return _held_up(build, builds)
    return False if build.state in FAILED else None


def _held_up(build: Build, builds: Mapping[DrvPath, Build]) -> bool | None:
    blockers = [builds[each].state for each in build.blockers if each in builds]
    if any(state in FAILED for state in blockers):
        return False
    unexplained = len(blockers) < max(len(build.blockers), 1)
    return False if unexplained and build.state is BuildState.TRANSITIVE_FAILURE else None


def standing_of(change: AttributeChange, *, base: bool | None, head: bool | None) -> Standing:
    """Judge one attribute by whether each side's derivation works; None says that there is no evidence.

    An attribute that base could not evaluate did not work there, and that is known.
    """
    if change.change is Change.REMOVED:
        return Standing.REMOVED
    if head is None:
        return Standing.UNKNOWN
    if change.base_fault:
        base = False
    return _succeeding(change, base) if head else _failing(change, base)


def _failing(change: AttributeChange, base: bool | None) -> Standing:  # noqa: FBT001 - evidence, not a switch
    if base is False:
        return Standing.STILL_FAILING
    regressed = base is True or change.change is Change.ADDED
    return Standing.NEWLY_FAILING if regressed else Standing.FAILING_BASE_UNKNOWN


def _succeeding(change: AttributeChange, base: bool | None) -> Standing:  # noqa: FBT001 - evidence, not a switch
    if base is False:
        return Standing.NEWLY_SUCCEEDING
    if change.change is Change.ADDED:
        return Standing.ADDED_SUCCEEDING
    return Standing.STILL_SUCCEEDING if base else Standing.SUCCEEDING_BASE_UNKNOWN


def outcomes_of(
    comparisons: Iterable[JobComparison],
    builds: Mapping[DrvPath, Build],
    flaky: Collection[DrvPath] = frozenset(),
) -> tuple[Outcome, ...]:
    """Judge every attribute that is not the same derivation on both sides, in the order of the comparisons.

    Args:
        comparisons: what `compare_jobs` made of the jobs.
        builds: what `read_builds` found.
        flaky: what `read_flaky` found; it changes no standing.
    """
    return tuple(_outcome(change, builds, flaky) for comparison in comparisons for change in comparison.changes)


def _outcome(change: AttributeChange, builds: Mapping[DrvPath, Build], flaky: Collection[DrvPath]) -> Outcome:
    base, head = _build(change.base, builds), _build(change.head, builds)
    return Outcome(
        change=change,
        base_state=base.state if base else None,
        head_state=head.state if head else None,
        standing=standing_of(change, base=works(base, builds), head=works(head, builds)),
        flaky=change.head is not None and change.head.drv in flaky,
    )


def _build(side: Side | None, builds: Mapping[DrvPath, Build]) -> Build | None:
    return builds.get(side.drv) if side else None

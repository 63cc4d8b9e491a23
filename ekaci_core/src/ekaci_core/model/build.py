"""The life of a derivation, from queue to result, and the one function that changes it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, assert_never

import attrs

from ekaci_core.model.ids import DrvPath

COUNTED_FAILURES: Final = 2
"""A derivation that failed this often is failed; transient failures and interruptions do not count."""

MOST_BLOCKERS: Final = 1000
"""A build names so many blockers at most: with each named, a derivation of very many inputs would cost their square."""


class BuildState(enum.IntEnum):
    """Where a derivation stands. The numbers are the database's and never change meaning."""

    QUEUED = 0
    BUILDABLE = 1
    BUILDING = 2
    FAILED_RETRY = 3
    BLOCKED = 4  # a dependency was interrupted and may yet be built
    TRANSITIVE_FAILURE = 5  # a dependency failed for good
    UNSATISFIABLE = 6  # no builder takes it
    SUCCESS = 10
    FAILURE = 11
    OUT_OF_MEMORY = 20
    TIMEOUT = 21
    CANCELLED = 22
    PROCESS_DEATH = 23
    SCHEDULER_DEATH = 24

    @property
    def is_interruption(self) -> bool:
        """Whether the attempt ended before it could succeed or fail."""
        return self >= BuildState.OUT_OF_MEMORY

    @property
    def is_result(self) -> bool:
        """Whether it tells something of what was built, rather than of the machine or of who stopped it."""
        return self.is_terminal and (not self.is_interruption or self is BuildState.TIMEOUT)

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self in _TERMINAL

    @property
    def label(self) -> str:
        """The word of the specification, for example ``TransitiveFailure``; interruptions by their kind."""
        return "".join(word.capitalize() for word in self.name.split("_")) if self not in _LABELS else _LABELS[self]


_LABELS: Final = {BuildState.UNSATISFIABLE: "UnsatisfiableRequirements"}
_TERMINAL: Final = frozenset(
    state
    for state in BuildState
    if state.is_interruption
    or state in (BuildState.SUCCESS, BuildState.FAILURE, BuildState.TRANSITIVE_FAILURE, BuildState.UNSATISFIABLE)
)


COUNTED_OUTCOMES: Final = frozenset({BuildState.FAILED_RETRY, BuildState.FAILURE})
"""What an attempt comes to that counts as a failure of the build."""


def failed_then_passed(outcomes: Iterable[BuildState | None]) -> bool:
    """Say whether a build is flaky: whether one of its attempts failed and a later one succeeded, nothing changed.

    Args:
        outcomes: what its attempts came to, in order; None where one has no end. Interruptions say nothing.
    """
    failed = False
    for outcome in outcomes:
        if failed and outcome is BuildState.SUCCESS:
            return True
        failed = failed or outcome in COUNTED_OUTCOMES
    return False


@attrs.frozen
class Build:
    """A derivation's state.

    Attributes:
        drv: the derivation.
        state: where it stands.
        failures: counted failing attempts, at most `COUNTED_FAILURES`; kept when it succeeds, so that a flaky build
            can be told.
        blockers: of a transitive failure, the transitive dependencies that failed for good or can be built nowhere;
            of a blocked one, those that were interrupted; otherwise empty. `MOST_BLOCKERS` of them at most.
    """

    drv: DrvPath
    state: BuildState = BuildState.QUEUED
    failures: int = 0
    blockers: frozenset[DrvPath] = frozenset()


@attrs.frozen
class InputsReady:
    """All dependencies succeeded."""


@attrs.frozen
class Started:
    """A builder took it."""


@attrs.frozen
class Succeeded:
    """Built, found valid in the store, or to be had from a substituter."""


@attrs.frozen
class Failed:
    """The builder ran and said no. ``final`` skips the retry, as a wrong fixed-output hash does."""

    final: bool = False


@attrs.frozen
class SetBack:
    """The attempt ended without a result, for a reason that may pass by itself: it is to be made again, uncounted."""


@attrs.frozen
class Interrupted:
    """The attempt ended without a result, or was given up before it began; ``kind`` is an interruption state."""

    kind: BuildState


@attrs.frozen
class DependencyFailed:
    """A transitive dependency failed for good, or can be built nowhere."""

    blocker: DrvPath


@attrs.frozen
class DependencyInterrupted:
    """A transitive dependency was interrupted."""

    blocker: DrvPath


@attrs.frozen
class DependencyRecovered:
    """A transitive dependency that blocked it succeeded or was queued again."""

    blocker: DrvPath


@attrs.frozen
class NoBuilder:
    """No builder has its platform and features."""


@attrs.frozen
class OutputsLost:
    """It had succeeded, but its outputs are no longer there and something needs them."""


@attrs.frozen
class Requeued:
    """Asked for anew, or found unfinished after a crash; ``forget_failures`` gives it all attempts again."""

    forget_failures: bool = True


BuildEvent = (
    InputsReady
    | Started
    | Succeeded
    | Failed
    | SetBack
    | Interrupted
    | DependencyFailed
    | DependencyInterrupted
    | DependencyRecovered
    | NoBuilder
    | OutputsLost
    | Requeued
)


class IllegalTransition(Exception):
    """An event that cannot happen in the present state: a fault of the scheduler, never of a build."""

    def __init__(self, build: Build, event: BuildEvent) -> None:
        super().__init__(f"{build.drv} is {build.state.label}; {event!r} cannot happen")


_READY: Final = frozenset({BuildState.BUILDABLE, BuildState.FAILED_RETRY})
_UNSTARTED: Final = _READY | {BuildState.QUEUED}
_SETTLED: Final = frozenset({BuildState.SUCCESS, BuildState.FAILURE, BuildState.UNSATISFIABLE})


def advance(build: Build, event: BuildEvent) -> Build:
    """Move a build to its next state; the only function that does.

    Returns ``build`` itself where the event changes nothing.

    Raises:
        IllegalTransition: the event cannot happen in this state.
    """
    match event:
        case DependencyFailed() | DependencyInterrupted() | DependencyRecovered():
            return _of_dependency(build, event)
        case Succeeded():
            return _to(build, BuildState.SUCCESS)
        case Requeued(forget_failures=forget):
            if build.state is BuildState.SUCCESS:
                return build
            return _to(build, BuildState.QUEUED, failures=0 if forget else build.failures)
        case _:
            return _of_its_own(build, event)


def _of_its_own(  # noqa: PLR0911 - one return for each event
    build: Build, event: InputsReady | Started | Failed | SetBack | Interrupted | NoBuilder | OutputsLost
) -> Build:
    state, failures = build.state, build.failures
    match event:
        case InputsReady() if state in _READY:
            return build
        case InputsReady() if state is BuildState.QUEUED:
            return _to(build, _runnable(failures))
        case Started() if state in _READY:
            return _to(build, BuildState.BUILDING)
        case Failed(final=final) if state is BuildState.BUILDING:
            final = final or failures + 1 >= COUNTED_FAILURES
            return _to(build, BuildState.FAILURE if final else BuildState.FAILED_RETRY, failures=failures + 1)
        case SetBack() if state is BuildState.BUILDING:
            return _to(build, _runnable(failures))
        case Interrupted(kind=kind) if _may_end_as(kind, state):
            return _to(build, kind)
        case NoBuilder() if state in _UNSTARTED or state is BuildState.UNSATISFIABLE:
            return _to(build, BuildState.UNSATISFIABLE)
        case OutputsLost() if state is BuildState.SUCCESS:
            return _to(build, BuildState.QUEUED, failures=0)
        case InputsReady() | Started() | Failed() | SetBack() | Interrupted() | NoBuilder() | OutputsLost():
            raise IllegalTransition(build, event)
        case _:
            assert_never(event)


def _runnable(failures: int) -> BuildState:
    return BuildState.FAILED_RETRY if failures else BuildState.BUILDABLE


def _may_end_as(kind: BuildState, state: BuildState) -> bool:
    # What does not run can be given up, but it cannot run out of time or memory.
    if kind is BuildState.CANCELLED and state in _UNSTARTED:
        return True
    return kind.is_interruption and state is BuildState.BUILDING


def _of_dependency(build: Build, event: DependencyFailed | DependencyInterrupted | DependencyRecovered) -> Build:
    state = build.state
    if isinstance(event, DependencyRecovered):
        return _recovered(build, event.blocker)
    if state is BuildState.BUILDING:
        raise IllegalTransition(build, event)  # building implies that every dependency succeeded
    if state in _SETTLED:
        return build
    # A failure outranks an interruption, so a transitive failure names failures alone.
    if isinstance(event, DependencyFailed):
        known = build.blockers if state is BuildState.TRANSITIVE_FAILURE else frozenset()
        return _blocked(build, BuildState.TRANSITIVE_FAILURE, known, event.blocker)
    if state is BuildState.TRANSITIVE_FAILURE or state.is_interruption:
        return build
    return _blocked(build, BuildState.BLOCKED, build.blockers, event.blocker)


def _blocked(build: Build, state: BuildState, known: frozenset[DrvPath], blocker: DrvPath) -> Build:
    if len(known) >= MOST_BLOCKERS:  # when those it names are gone, whoever follows it finds the others
        return build
    return _to(build, state, blockers=known | {blocker})


def _recovered(build: Build, blocker: DrvPath) -> Build:
    if blocker not in build.blockers:
        return build
    blockers = build.blockers - {blocker}
    return _to(build, build.state if blockers else BuildState.QUEUED, blockers=blockers)


def _to(
    build: Build, state: BuildState, *, failures: int | None = None, blockers: frozenset[DrvPath] = frozenset()
) -> Build:
    failures = build.failures if failures is None else failures
    if (build.state, build.failures, build.blockers) == (state, failures, blockers):
        return build
    return Build(drv=build.drv, state=state, failures=failures, blockers=blockers)

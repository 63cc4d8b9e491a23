"""The life of a derivation, from queue to result, and the one function that changes it."""

from __future__ import annotations

import enum
from typing import Final, assert_never

import attrs

from ekaci_core.model.ids import DrvPath

COUNTED_FAILURES: Final = 2
"""A derivation that failed this often is failed; transient failures and interruptions do not count."""


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


@attrs.frozen
class Build:
    """A derivation's state. ``failures`` counts failing attempts, at most `COUNTED_FAILURES`."""

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
    """Built, found valid in the store, or substituted."""


@attrs.frozen
class Failed:
    """The builder ran and said no. ``final`` skips the retry: a cached failure, or a wrong fixed-output hash."""

    final: bool = False


@attrs.frozen
class Interrupted:
    """The attempt ended without a result; ``kind`` is one of the interruption states."""

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
    """A transitive dependency that blocked it was fixed or queued again."""

    blocker: DrvPath


@attrs.frozen
class NoBuilder:
    """No builder has its platform and features."""


@attrs.frozen
class Requeued:
    """Asked for anew, or found unfinished after a crash; ``forget_failures`` gives it all attempts again."""

    forget_failures: bool = True


BuildEvent = (
    InputsReady
    | Started
    | Succeeded
    | Failed
    | Interrupted
    | DependencyFailed
    | DependencyInterrupted
    | DependencyRecovered
    | NoBuilder
    | Requeued
)


class IllegalTransition(Exception):
    """An event that cannot happen in the present state: a fault of the scheduler, never of a build."""

    def __init__(self, build: Build, event: BuildEvent) -> None:
        super().__init__(f"{build.drv} is {build.state.label}; {event!r} cannot happen")


_WAITING: Final = frozenset(
    {
        BuildState.QUEUED,
        BuildState.BUILDABLE,
        BuildState.FAILED_RETRY,
        BuildState.BLOCKED,
        BuildState.UNSATISFIABLE,
    }
)


def advance(build: Build, event: BuildEvent) -> Build:  # noqa: C901, PLR0911, PLR0912 - one case for each event
    """Move a build to its next state; the only function that does.

    Raises:
        IllegalTransition: the event cannot happen in this state.
    """
    match event:
        case InputsReady():
            return _inputs_ready(build, event)
        case Started():
            if build.state not in (BuildState.BUILDABLE, BuildState.FAILED_RETRY):
                raise IllegalTransition(build, event)
            return attrs.evolve(build, state=BuildState.BUILDING)
        case Succeeded():
            return attrs.evolve(build, state=BuildState.SUCCESS, blockers=frozenset())
        case Failed():
            return _failed(build, event)
        case Interrupted(kind=kind):
            if build.state in (BuildState.SUCCESS, BuildState.FAILURE) or not kind.is_interruption:
                raise IllegalTransition(build, event)
            return attrs.evolve(build, state=kind)
        case DependencyFailed(blocker=blocker):
            return _blocked(build, blocker, BuildState.TRANSITIVE_FAILURE, event)
        case DependencyInterrupted(blocker=blocker):
            return _blocked(build, blocker, BuildState.BLOCKED, event)
        case DependencyRecovered(blocker=blocker):
            return _recovered(build, blocker)
        case NoBuilder():
            if build.state not in _WAITING:
                raise IllegalTransition(build, event)
            return attrs.evolve(build, state=BuildState.UNSATISFIABLE)
        case Requeued(forget_failures=forget):
            return _requeued(build, forget=forget)
        case _:
            assert_never(event)


def _inputs_ready(build: Build, event: BuildEvent) -> Build:
    if build.state in (BuildState.BUILDABLE, BuildState.FAILED_RETRY):
        return build
    if build.state is not BuildState.QUEUED:
        raise IllegalTransition(build, event)
    return attrs.evolve(build, state=BuildState.FAILED_RETRY if build.failures else BuildState.BUILDABLE)


def _failed(build: Build, event: Failed) -> Build:
    if build.state is not BuildState.BUILDING:
        raise IllegalTransition(build, event)
    failures = build.failures + 1
    final = event.final or failures >= COUNTED_FAILURES
    return attrs.evolve(build, state=BuildState.FAILURE if final else BuildState.FAILED_RETRY, failures=failures)


def _blocked(build: Build, blocker: DrvPath, state: BuildState, event: BuildEvent) -> Build:
    if build.state is BuildState.BUILDING:
        raise IllegalTransition(build, event)  # building implies that every dependency succeeded
    if build.state in (BuildState.SUCCESS, BuildState.FAILURE):
        return build
    # A failure outranks an interruption.
    if build.state is BuildState.TRANSITIVE_FAILURE:
        state = BuildState.TRANSITIVE_FAILURE
    return attrs.evolve(build, state=state, blockers=build.blockers | {blocker})


def _recovered(build: Build, blocker: DrvPath) -> Build:
    if build.state not in (BuildState.TRANSITIVE_FAILURE, BuildState.BLOCKED):
        return build
    blockers = build.blockers - {blocker}
    return attrs.evolve(build, state=build.state if blockers else BuildState.QUEUED, blockers=blockers)


def _requeued(build: Build, *, forget: bool) -> Build:
    if build.state is BuildState.SUCCESS:
        return build
    return attrs.evolve(build, state=BuildState.QUEUED, failures=0 if forget else build.failures, blockers=frozenset())

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.build import (
    COUNTED_FAILURES,
    Build,
    BuildEvent,
    BuildState,
    DependencyFailed,
    DependencyInterrupted,
    DependencyRecovered,
    Failed,
    IllegalTransition,
    InputsReady,
    Interrupted,
    NoBuilder,
    OutputsLost,
    Requeued,
    SetBack,
    Started,
    Succeeded,
    advance,
    failed_then_passed,
)
from ekaci_core.model.ids import DrvPath

S = BuildState
DRV = DrvPath.parse("0" * 32 + "-app.drv")
LIB = DrvPath.parse("1" * 32 + "-lib.drv")
TOOL = DrvPath.parse("2" * 32 + "-tool.drv")

INTERRUPTIONS = [state for state in S if state.is_interruption]


def build(state: BuildState, failures: int = 0, *blockers: DrvPath) -> Build:
    return Build(DRV, state, failures, frozenset(blockers))


LEGAL: list[tuple[Build, BuildEvent, Build]] = [
    (build(S.QUEUED), InputsReady(), build(S.BUILDABLE)),
    (build(S.QUEUED, 1), InputsReady(), build(S.FAILED_RETRY, 1)),
    (build(S.BUILDABLE), InputsReady(), build(S.BUILDABLE)),
    (build(S.BUILDABLE), Started(), build(S.BUILDING)),
    (build(S.FAILED_RETRY, 1), Started(), build(S.BUILDING, 1)),
    (build(S.BUILDING), Succeeded(), build(S.SUCCESS)),
    (build(S.BUILDING, 1), Succeeded(), build(S.SUCCESS, 1)),
    (build(S.QUEUED), Succeeded(), build(S.SUCCESS)),
    (build(S.TRANSITIVE_FAILURE, 0, LIB), Succeeded(), build(S.SUCCESS)),
    (build(S.BUILDING), Failed(), build(S.FAILED_RETRY, 1)),
    (build(S.BUILDING, 1), Failed(), build(S.FAILURE, 2)),
    (build(S.BUILDING), Failed(final=True), build(S.FAILURE, 1)),
    (build(S.BUILDING), SetBack(), build(S.BUILDABLE)),
    (build(S.BUILDING, 1), SetBack(), build(S.FAILED_RETRY, 1)),
    (build(S.QUEUED), DependencyFailed(LIB), build(S.TRANSITIVE_FAILURE, 0, LIB)),
    (build(S.TRANSITIVE_FAILURE, 0, LIB), DependencyFailed(TOOL), build(S.TRANSITIVE_FAILURE, 0, LIB, TOOL)),
    (build(S.BLOCKED, 0, TOOL), DependencyFailed(LIB), build(S.TRANSITIVE_FAILURE, 0, LIB)),
    (build(S.CANCELLED), DependencyFailed(LIB), build(S.TRANSITIVE_FAILURE, 0, LIB)),
    (build(S.SUCCESS), DependencyFailed(LIB), build(S.SUCCESS)),
    (build(S.FAILURE, 2), DependencyFailed(LIB), build(S.FAILURE, 2)),
    (build(S.UNSATISFIABLE), DependencyFailed(LIB), build(S.UNSATISFIABLE)),
    (build(S.QUEUED), DependencyInterrupted(LIB), build(S.BLOCKED, 0, LIB)),
    (build(S.BLOCKED, 0, LIB), DependencyInterrupted(TOOL), build(S.BLOCKED, 0, LIB, TOOL)),
    (build(S.TRANSITIVE_FAILURE, 0, LIB), DependencyInterrupted(TOOL), build(S.TRANSITIVE_FAILURE, 0, LIB)),
    (build(S.TIMEOUT), DependencyInterrupted(LIB), build(S.TIMEOUT)),
    (build(S.TRANSITIVE_FAILURE, 0, LIB, TOOL), DependencyRecovered(LIB), build(S.TRANSITIVE_FAILURE, 0, TOOL)),
    (build(S.TRANSITIVE_FAILURE, 1, LIB), DependencyRecovered(LIB), build(S.QUEUED, 1)),
    (build(S.BLOCKED, 0, LIB), DependencyRecovered(LIB), build(S.QUEUED)),
    (build(S.BLOCKED, 0, LIB), DependencyRecovered(TOOL), build(S.BLOCKED, 0, LIB)),
    (build(S.SUCCESS), DependencyRecovered(LIB), build(S.SUCCESS)),
    (build(S.QUEUED), NoBuilder(), build(S.UNSATISFIABLE)),
    (build(S.BUILDABLE), NoBuilder(), build(S.UNSATISFIABLE)),
    (build(S.SUCCESS, 1), OutputsLost(), build(S.QUEUED)),
    (build(S.FAILURE, 2), Requeued(), build(S.QUEUED)),
    (build(S.BUILDING, 1), Requeued(forget_failures=False), build(S.QUEUED, 1)),
    (build(S.TRANSITIVE_FAILURE, 0, LIB), Requeued(), build(S.QUEUED)),
    (build(S.SUCCESS), Requeued(), build(S.SUCCESS)),
    *((build(S.BUILDING), Interrupted(kind), build(kind)) for kind in INTERRUPTIONS),
    *((build(S.BUILDING, 1), Interrupted(kind), build(kind, 1)) for kind in INTERRUPTIONS),
    *((build(state), Interrupted(S.CANCELLED), build(S.CANCELLED)) for state in (S.QUEUED, S.BUILDABLE)),
    *((build(kind, 1), Requeued(forget_failures=False), build(S.QUEUED, 1)) for kind in INTERRUPTIONS),
]

ILLEGAL: list[tuple[Build, BuildEvent]] = [
    *((build(state), InputsReady()) for state in S if state not in (S.QUEUED, S.BUILDABLE, S.FAILED_RETRY)),
    *((build(state), Started()) for state in S if state not in (S.BUILDABLE, S.FAILED_RETRY)),
    *((build(state), Failed()) for state in S if state is not S.BUILDING),
    *((build(state), SetBack()) for state in S if state is not S.BUILDING),
    *((build(state), OutputsLost()) for state in S if state is not S.SUCCESS),
    *((build(state), Interrupted(S.TIMEOUT)) for state in S if state is not S.BUILDING),
    *((build(state), Interrupted(S.FAILURE)) for state in S),
    (build(S.SUCCESS), Interrupted(S.CANCELLED)),
    (build(S.FAILURE, 2), Interrupted(S.CANCELLED)),
    (build(S.BUILDING), DependencyFailed(LIB)),
    (build(S.BUILDING), DependencyInterrupted(LIB)),
    (build(S.BUILDING), NoBuilder()),
    (build(S.SUCCESS), NoBuilder()),
]


@pytest.mark.parametrize(("before", "event", "after"), LEGAL, ids=lambda value: type(value).__name__)
def test_transition(before: Build, event: BuildEvent, after: Build) -> None:
    assert advance(before, event) == after


@pytest.mark.parametrize(("before", "event"), ILLEGAL, ids=lambda value: type(value).__name__)
def test_refused_transition(before: Build, event: BuildEvent) -> None:
    with pytest.raises(IllegalTransition) as refused:
        advance(before, event)
    assert before.state.label in str(refused.value)


def test_labels_are_the_words_of_the_field() -> None:
    assert [state.label for state in S] == [
        "Queued",
        "Buildable",
        "Building",
        "FailedRetry",
        "Blocked",
        "TransitiveFailure",
        "UnsatisfiableRequirements",
        "Success",
        "Failure",
        "OutOfMemory",
        "Timeout",
        "Cancelled",
        "ProcessDeath",
        "SchedulerDeath",
    ]


def test_what_is_terminal() -> None:
    assert [state for state in S if not state.is_terminal] == [
        S.QUEUED,
        S.BUILDABLE,
        S.BUILDING,
        S.FAILED_RETRY,
        S.BLOCKED,
    ]


EVENTS: st.SearchStrategy[BuildEvent] = st.one_of(
    st.builds(InputsReady),
    st.builds(Started),
    st.builds(Succeeded),
    st.builds(Failed, final=st.booleans()),
    st.builds(Interrupted, kind=st.sampled_from(INTERRUPTIONS)),
    st.builds(DependencyFailed, blocker=st.sampled_from([LIB, TOOL])),
    st.builds(DependencyInterrupted, blocker=st.sampled_from([LIB, TOOL])),
    st.builds(DependencyRecovered, blocker=st.sampled_from([LIB, TOOL])),
    st.builds(NoBuilder),
    st.builds(OutputsLost),
    st.builds(Requeued, forget_failures=st.booleans()),
)


@given(st.lists(EVENTS, max_size=30))
def test_no_sequence_of_events_breaks_an_invariant(events: list[BuildEvent]) -> None:
    now = Build(DRV)
    for event in events:
        try:
            after = advance(now, event)
        except IllegalTransition:
            continue
        assert bool(after.blockers) == (after.state in (S.TRANSITIVE_FAILURE, S.BLOCKED))
        assert 0 <= after.failures <= COUNTED_FAILURES
        assert after.state is not S.FAILED_RETRY or after.failures
        assert after.state is not S.FAILURE or after.failures
        assert (after == now) == (after is now), "an event that changes nothing returns the build itself"
        now = after


@pytest.mark.parametrize(
    ("outcomes", "flaky"),
    [
        ([], False),
        ([S.SUCCESS], False),
        ([S.FAILED_RETRY, S.SUCCESS], True),
        ([S.FAILURE, S.SUCCESS], True),
        ([S.FAILED_RETRY, S.PROCESS_DEATH, None, S.SUCCESS], True),
        ([S.FAILED_RETRY, S.SUCCESS, S.FAILURE], True),
        ([S.SUCCESS, S.FAILED_RETRY, S.FAILURE], False),
        ([S.FAILED_RETRY, S.FAILURE], False),
        ([S.TIMEOUT, S.SUCCESS], False),
        ([S.OUT_OF_MEMORY, S.PROCESS_DEATH, S.SUCCESS], False),
        ([None, S.SUCCESS], False),
    ],
)
def test_flaky_is_a_failure_with_a_success_after_it(outcomes: list[BuildState | None], flaky: bool) -> None:  # noqa: FBT001
    assert failed_then_passed(outcomes) is flaky

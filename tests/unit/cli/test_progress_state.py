"""What the progress display knows after each event."""

from __future__ import annotations

from ekaci_core.cli.progress import PlainDisplay, status_lines
from ekaci_core.cli.progress_state import ProgressState, duration
from ekaci_core.model.build import BuildState
from ekaci_core.model.event import (
    BuildFinished,
    BuildPhase,
    BuildsPlanned,
    BuildStarted,
    EvaluationContinued,
    EvaluationFinished,
    EvaluationProgress,
    EvaluationStarted,
    ReviewNote,
    ReviewSide,
    StageStarted,
)
from ekaci_core.model.ids import DrvPath

HELLO = DrvPath.parse("0" * 32 + "-hello-1.0.drv")
WORLD = DrvPath.parse("1" * 32 + "-world-2.0.drv")


def test_an_evaluation_is_told_by_count_and_rate() -> None:
    state = ProgressState()
    state.apply(EvaluationStarted(ReviewSide.HEAD, "set"), 10.0)
    state.apply(EvaluationProgress(ReviewSide.HEAD, "set", attributes=3000, faults=2, derivations=9000), 14.0)

    assert status_lines(state, 15.0) == ["head set: 3,000 attributes, 2 errors, 600/s, 0:05"]
    told = state.apply(EvaluationFinished(ReviewSide.HEAD, "set", cached=False, seconds=6.0), 16.0)
    assert told == "evaluated set of head: 3000 attributes in 6.0 s"
    assert status_lines(state, 16.0) == []


def test_a_known_evaluation_is_told_as_known() -> None:
    state = ProgressState()
    state.apply(EvaluationStarted(ReviewSide.BASE, "set"), 0.0)
    told = state.apply(EvaluationFinished(ReviewSide.BASE, "set", cached=True, seconds=0.1), 0.1)

    assert told == "evaluated set of base: known from before"
    assert state.evaluation_line("base", "set", 1.0) == "base set: known from before"


def test_a_continued_evaluation_counts_what_is_known_but_not_in_its_rate() -> None:
    state = ProgressState()
    state.apply(EvaluationStarted(ReviewSide.HEAD, "set"), 0.0)
    told = state.apply(EvaluationContinued(ReviewSide.HEAD, "set", 1000), 0.0)

    assert told == "evaluation of set of head continued: 1000 attributes known from before"
    assert state.evaluation_line("head", "set", 1.0) == "head set: 1,000 attributes, 0/s, 0:01"
    state.apply(EvaluationProgress(ReviewSide.HEAD, "set", attributes=1200, faults=0, derivations=0), 2.0)
    assert state.evaluation_line("head", "set", 2.0) == "head set: 1,200 attributes, 100/s, 0:02"


def test_running_builds_show_phase_and_age_the_oldest_first() -> None:
    state = ProgressState()
    state.apply(BuildsPlanned(2), 0.0)
    state.apply(BuildStarted(HELLO, "hello-1.0"), 0.0)
    state.apply(BuildStarted(WORLD, "world-2.0"), 30.0)
    state.apply(BuildPhase(HELLO, "checkPhase"), 31.0)

    assert status_lines(state, 65.0) == [
        "builds: 0/2 done",
        "  hello-1.0  checkPhase  1:05",
        "  world-2.0  building  0:35",
    ]


def test_what_is_left_is_estimated_from_the_rate_so_far() -> None:
    state = ProgressState()
    state.apply(BuildsPlanned(4), 0.0)
    state.apply(BuildStarted(HELLO, "hello-1.0"), 0.0)
    assert state.apply(BuildFinished(HELLO, BuildState.SUCCESS, 20.0), 20.0) == "[1/4] built hello-1.0 (20.0 s)"

    assert state.builds_line(20.0) == "1/4 done, 3/min, about 1:00 left"


def test_a_failure_that_is_tried_again_is_not_done() -> None:
    state = ProgressState()
    state.apply(BuildsPlanned(1), 0.0)
    state.apply(BuildStarted(HELLO, "hello-1.0"), 0.0)
    told = state.apply(BuildFinished(HELLO, BuildState.FAILED_RETRY, 1.0), 1.0)
    assert told == "failed, trying once more: hello-1.0 (1.0 s)"
    assert (state.done, state.failed) == (0, 0)

    state.apply(BuildStarted(HELLO, "hello-1.0"), 1.0)
    assert state.apply(BuildFinished(HELLO, BuildState.FAILURE, 1.5), 2.5) == "[1/1] Failure: hello-1.0 (1.5 s)"
    assert (state.done, state.failed) == (1, 1)


def test_stages_and_notes_are_lines() -> None:
    state = ProgressState()
    assert state.apply(StageStarted("comparing"), 0.0) == "comparing"
    assert state.apply(ReviewNote("base has no such job"), 0.0) == "note: base has no such job"


def test_a_plain_display_tells_the_totals_now_and_then() -> None:
    written: list[str] = []
    display = PlainDisplay(written.append, now=0.0)
    state = ProgressState()
    state.apply(EvaluationStarted(ReviewSide.HEAD, "set"), 0.0)

    display.refresh(state, 5.0)
    assert written == []
    display.refresh(state, 10.0)
    display.refresh(state, 11.0)
    assert written == ["head set: 0 attributes, 0/s, 0:10"]


def test_durations_are_minutes_and_hours() -> None:
    assert [duration(seconds) for seconds in (0.9, 61, 3599, 3661)] == ["0:00", "1:01", "59:59", "1:01:01"]

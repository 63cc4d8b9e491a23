"""What a progress display knows: events go in, lines come out; no clock, no terminal."""

from __future__ import annotations

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.model.event import (
    BuildFinished,
    BuildPhase,
    BuildsPlanned,
    BuildStarted,
    EvaluationContinued,
    EvaluationEvent,
    EvaluationFinished,
    EvaluationProgress,
    EvaluationStarted,
    ReviewEvent,
    ReviewNote,
    StageStarted,
)
from ekaci_core.model.ids import DrvPath


@attrs.define
class EvaluationState:
    """One side's evaluation of one job."""

    started: float
    attributes: int = 0
    known: int = 0
    faults: int = 0
    finished: bool = False
    cached: bool = False
    seconds: float = 0.0


@attrs.define
class RunningBuild:
    """A build that a builder has."""

    name: str
    started: float
    phase: str = ""


@attrs.define
class ProgressState:
    """Totals and running work of a review, up to the last event applied."""

    stage: str = ""
    evaluations: dict[tuple[str, str], EvaluationState] = attrs.field(factory=dict)
    running: dict[DrvPath, RunningBuild] = attrs.field(factory=dict)
    planned: int = 0
    done: int = 0
    failed: int = 0
    builds_started: float | None = None

    def apply(self, event: ReviewEvent, now: float) -> str | None:  # noqa: PLR0911 - one case for each event
        """Take in an event; return the plain line that tells of it, None where it is not worth one."""
        match event:
            case StageStarted(name=name):
                self.stage = name
                return name
            case ReviewNote(text=text):
                return f"note: {text}"
            case EvaluationStarted() | EvaluationContinued() | EvaluationProgress() | EvaluationFinished():
                return self._evaluation(event, now)
            case BuildsPlanned(total=total):
                self.planned = total
                return None
            case BuildStarted(drv=drv, name=name):
                self.builds_started = now if self.builds_started is None else self.builds_started
                self.running[drv] = RunningBuild(name, now)
                return None
            case BuildPhase(drv=drv, phase=phase):
                if drv in self.running:
                    self.running[drv].phase = phase
                return None
            case BuildFinished():
                return self._finished(event)

    def _evaluation(self, event: EvaluationEvent, now: float) -> str | None:
        name = event.side.value
        state = self.evaluations.setdefault((name, event.job), EvaluationState(started=now))
        match event:
            case EvaluationContinued(attributes=known):
                state.attributes = state.known = known
                return f"evaluation of {event.job} of {name} continued: {known} attributes known from before"
            case EvaluationProgress():
                state.attributes, state.faults = event.attributes, event.faults
            case EvaluationFinished():
                state.finished, state.cached, state.seconds = True, event.cached, event.seconds
                how = "known from before" if event.cached else f"{state.attributes} attributes in {event.seconds:.1f} s"
                return f"evaluated {event.job} of {name}: {how}"
        return None

    def _finished(self, event: BuildFinished) -> str | None:
        running = self.running.pop(event.drv, None)
        name = running.name if running else event.drv.name
        if event.state is BuildState.FAILED_RETRY:
            return f"failed, trying once more: {name} ({event.seconds:.1f} s)"
        self.done += 1
        if event.state is BuildState.SUCCESS:
            return f"[{self.done}/{self.planned}] built {name} ({event.seconds:.1f} s)"
        self.failed += 1
        return f"[{self.done}/{self.planned}] {event.state.label}: {name} ({event.seconds:.1f} s)"

    def evaluation_line(self, side: str, job: str, now: float) -> str:
        """Describe one evaluation as it stands."""
        state = self.evaluations[side, job]
        if state.cached:
            return f"{side:4} {job}: known from before"
        seconds = state.seconds if state.finished else max(now - state.started, 0.001)
        rate = (state.attributes - state.known) / max(seconds, 0.001)
        faults = f", {state.faults} errors" if state.faults else ""
        return f"{side:4} {job}: {state.attributes:,} attributes{faults}, {rate:,.0f}/s, {duration(seconds)}"

    def builds_line(self, now: float) -> str:
        """Describe the builds as they stand, with an estimate of what is left where there is one."""
        parts = [f"{self.done}/{self.planned} done"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.builds_started is not None:
            elapsed = now - self.builds_started
            if self.done and elapsed > 0 and self.done < self.planned:
                rate = self.done / elapsed
                parts.append(f"{rate * 60:,.0f}/min")
                parts.append(f"about {duration((self.planned - self.done) / rate)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Write seconds as ``m:ss`` or ``h:mm:ss``."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"

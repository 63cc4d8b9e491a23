"""One attempt at one derivation: what a builder is asked, and what its answer means."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

import attrs

from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    Built,
    DerivationRecord,
    EkaciError,
    Logger,
    TransientKind,
)
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import Build, BuildEvent, BuildState, Failed, Interrupted, SetBack, Succeeded, advance
from ekaci_core.model.event import BuildPhase, ReviewEvent
from ekaci_core.model.ids import DrvPath
from ekaci_core.registry.guard import Surprise, guarded
from ekaci_core.scheduler.backoff import Backoff
from ekaci_core.scheduler.placement import Offer
from ekaci_core.scheduler.wishes import SchedulerSettings


def log_path(logs_dir: Path, drv: DrvPath) -> Path:
    """Where the log of a derivation's builds stands."""
    return Path(log_name(logs_dir, drv))


def log_name(logs_dir: Path, drv: DrvPath) -> str:
    """The same as text, which costs a tenth."""
    return f"{logs_dir}/{drv.hash_part}/build.log"


def gc_root(roots_dir: Path, drv: DrvPath) -> Path:
    """Where the outputs of a derivation are kept from the garbage collector."""
    return Path(f"{roots_dir}/{drv.hash_part}-{drv.name}")


@attrs.frozen
class Result:
    """What an outcome means.

    Attributes:
        event: what happens to the derivation.
        outcome: what the attempt came to.
        reason: why, for people; empty where it succeeded.
        exit_status: of the builder, where it had one.
        kind: set where the reason may pass by itself.
        pause: seconds until the attempt is made again, where it is.
    """

    event: BuildEvent
    outcome: BuildState
    reason: str = ""
    exit_status: int | None = None
    kind: TransientKind | None = None
    pause: float | None = None


@attrs.frozen
class Attempts:
    """Asks builders."""

    log: Logger
    events: Broadcast[ReviewEvent]
    logs_dir: Path
    roots_dir: Path
    settings: SchedulerSettings

    async def prepare(self, record: DerivationRecord, offer: Offer) -> BuildInterrupted | None:
        """Have brought to the builder what a build needs; None once it is there. Raises nothing but cancellation."""
        try:
            return await guarded(
                lambda: offer.builder.prepare(self._request(record)),
                surprised,
                who=f"builder {offer.builder.name}",
                log=self.log,
            )
        except EkaciError as fault:
            return BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True)

    async def make(self, record: DerivationRecord, offer: Offer) -> BuildOutcome:
        """Have a derivation built. Raises nothing but cancellation, which stops the build."""
        try:
            return await guarded(
                lambda: offer.builder.build(self._request(record)),
                surprised,
                who=f"builder {offer.builder.name}",
                log=self.log,
            )
        except EkaciError as fault:
            return BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True)

    def _request(self, record: DerivationRecord) -> BuildRequest:
        drv = record.path
        return BuildRequest(
            derivation=record,
            log=log_path(self.logs_dir, drv),
            gc_root=gc_root(self.roots_dir, drv),
            no_output_timeout_seconds=self.settings.no_output_timeout_seconds,
            max_duration_seconds=self.settings.max_duration_seconds,
            on_phase=lambda phase: self.events.send(BuildPhase(drv, phase)),
        )


def result_of(build: Build, outcome: BuildOutcome, setbacks: int, backoff: Backoff) -> Result:
    """Say what an outcome means for a derivation that builds.

    Args:
        build: its state while it builds.
        outcome: how the attempt ended.
        setbacks: how many attempts in a row have ended for a reason that may pass, this one included.
        backoff: when and how often they are made again.
    """
    match outcome:
        case Built():
            return Result(Succeeded(), BuildState.SUCCESS, exit_status=0)
        case BuildFailed(reason=reason, exit_status=status, final=final):
            failed = Failed(final=final)
            return Result(failed, advance(build, failed).state, reason, status)
        case BuildInterrupted(kind=kind, reason=reason, transient=None):
            return Result(Interrupted(kind), kind, reason)
        case BuildInterrupted(kind=kind, reason=reason, transient=transient):
            pause = backoff.pause(setbacks)
            if pause is not None:
                return Result(SetBack(), kind, f"{reason}; again in {pause:g} s", None, transient, pause)
            gave_up = f"{reason} (given up after {setbacks} attempts)" if setbacks > 1 else reason
            return Result(Interrupted(kind), kind, gave_up, None, transient)
        case _:
            assert_never(outcome)


def surprised(surprise: Surprise) -> BuildInterrupted:
    """A builder broke its contract: no result, and nobody's fault but its own."""
    return BuildInterrupted(BuildState.PROCESS_DEATH, f"the builder itself failed: {surprise.message}")

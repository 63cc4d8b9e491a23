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
    InfrastructureFault,
    Logger,
)
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import BuildEvent, BuildState, Failed, Interrupted, Succeeded
from ekaci_core.model.event import BuildPhase, ReviewEvent
from ekaci_core.model.ids import DrvPath
from ekaci_core.registry.guard import Surprise, guarded
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
class Attempts:
    """Asks builders."""

    log: Logger
    events: Broadcast[ReviewEvent]
    logs_dir: Path
    roots_dir: Path
    settings: SchedulerSettings

    async def make(self, record: DerivationRecord, offer: Offer) -> BuildOutcome:
        """Have a derivation built. Raises nothing but cancellation, which stops the build."""
        drv = record.path
        request = BuildRequest(
            derivation=record,
            log=log_path(self.logs_dir, drv),
            gc_root=gc_root(self.roots_dir, drv),
            no_output_timeout_seconds=self.settings.no_output_timeout_seconds,
            max_duration_seconds=self.settings.max_duration_seconds,
            on_phase=lambda phase: self.events.send(BuildPhase(drv, phase)),
        )
        try:
            return await guarded(
                lambda: offer.builder.build(request), surprised, who=f"builder {offer.builder.name}", log=self.log
            )
        except InfrastructureFault as fault:
            return BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True)


def result_of(outcome: BuildOutcome) -> tuple[BuildEvent, str, int | None]:
    """Say what an outcome means for the derivation, why, and with which exit status."""
    match outcome:
        case Built():
            return Succeeded(), "", 0
        case BuildFailed(reason=reason, exit_status=status, final=final):
            return Failed(final=final), reason, status
        case BuildInterrupted(kind=kind, reason=reason):
            return Interrupted(kind), reason, None
        case _:
            assert_never(outcome)


def surprised(surprise: Surprise) -> BuildInterrupted:
    """A builder broke its contract: no result, and nobody's fault but its own."""
    return BuildInterrupted(BuildState.PROCESS_DEATH, f"the builder itself failed: {surprise.message}")

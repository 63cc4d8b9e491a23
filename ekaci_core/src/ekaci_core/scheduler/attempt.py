"""One attempt at one derivation: each step is recorded before what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

import anyio
import attrs

from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    Built,
    Clock,
    InfrastructureFault,
    Logger,
)
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import BuildEvent, BuildState, Failed, Interrupted, Started, Succeeded, advance
from ekaci_core.model.event import BuildFinished, BuildPhase, BuildStarted, ReviewEvent
from ekaci_core.model.ids import DrvPath
from ekaci_core.registry.guard import Surprise, guarded
from ekaci_core.scheduler.build_graph import BuildGraph, Effects
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Offer
from ekaci_core.scheduler.wishes import SchedulerSettings
from ekaci_core.store.contract import AttemptId, DerivationId, Store


def log_path(logs_dir: Path, drv: DrvPath) -> Path:
    """Where the log of a derivation's builds stands."""
    return logs_dir / drv.hash_part / "build.log"


def gc_root(roots_dir: Path, drv: DrvPath) -> Path:
    """Where the outputs of a derivation are kept from the garbage collector."""
    return roots_dir / f"{drv.hash_part}-{drv.name}"


@attrs.define
class Giving:
    """The way to end a running attempt: cancel ``scope`` after saying why."""

    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    why: str = "cancelled"


@attrs.frozen
class Ended:
    """What an attempt came to, recorded."""

    outcome: BuildOutcome
    effects: Effects


@attrs.frozen
class Attempts:
    """Makes attempts and records them."""

    store: Store
    ledger: Ledger
    graph: BuildGraph
    clock: Clock
    log: Logger
    events: Broadcast[ReviewEvent]
    logs_dir: Path
    roots_dir: Path
    settings: SchedulerSettings

    async def make(self, node: Node, offer: Offer, giving: Giving) -> Ended:
        """Build a derivation that may start and whose claim we hold.

        Cancellation stops the build and has it recorded as cancelled, within ``farewell_seconds``, before it goes on.
        """
        drv, name = node.build.drv, offer.builder.name
        started = self.graph.apply(node, Started(), f"on {name}")
        log = log_path(self.logs_dir, drv)
        with anyio.CancelScope(shield=True):
            # In this order: a derivation that is building has an attempt, which is the one that builds it.
            attempt = await self.store.begin_attempt(drv, builder=name, log_path=str(log), now=self.clock.now())
            await self.ledger.record(started.steps)
        self.events.send(BuildStarted(drv, drv.name))
        begun = self.clock.monotonic()
        stopped = BuildInterrupted(BuildState.CANCELLED, "the run was stopped")
        outcome: BuildOutcome = stopped
        effects = Effects()
        try:
            with giving.scope:
                outcome = await self._build(node, offer, log)
            if giving.scope.cancelled_caught:
                outcome = BuildInterrupted(BuildState.CANCELLED, giving.why)
        finally:
            patience = self.settings.farewell_seconds if outcome is stopped else None
            with anyio.move_on_after(patience, shield=True):
                effects = await self._end(node, attempt, outcome)
                self.events.send(BuildFinished(drv, node.build.state, self.clock.monotonic() - begun))
        return Ended(outcome, effects)

    async def _build(self, node: Node, offer: Offer, log: Path) -> BuildOutcome:
        drv = node.build.drv
        key = DerivationId(node.key)
        record = (await self.store.derivations([key]))[key]
        request = BuildRequest(
            derivation=record,
            log=log,
            gc_root=gc_root(self.roots_dir, drv),
            no_output_timeout_seconds=self.settings.no_output_timeout_seconds,
            max_duration_seconds=self.settings.max_duration_seconds,
            on_phase=lambda phase: self.events.send(BuildPhase(drv, phase)),
        )
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            return await guarded(
                lambda: offer.builder.build(request), surprised, who=f"builder {offer.builder.name}", log=self.log
            )
        except OSError as error:
            reason = f"cannot make the directory of its log, {log.parent}: {error.strerror}"
            return BuildInterrupted(BuildState.PROCESS_DEATH, reason, infrastructure=True)
        except InfrastructureFault as fault:
            return BuildInterrupted(BuildState.PROCESS_DEATH, str(fault), infrastructure=True)

    async def _end(self, node: Node, attempt: AttemptId, outcome: BuildOutcome) -> Effects:
        event, reason, status = result_of(outcome)
        await self.store.end_attempt(
            attempt,
            now=self.clock.now(),
            exit_status=status,
            outcome=advance(node.build, event).state,
            reason=reason,
        )
        effects = self.graph.apply(node, event, reason or "built")
        await self.ledger.record(effects.steps)
        return effects


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

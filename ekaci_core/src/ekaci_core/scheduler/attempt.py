"""One attempt at one derivation: each step is recorded before what comes of it."""

from __future__ import annotations

from collections import Counter
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
    TransientKind,
)
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import (
    Build,
    BuildEvent,
    BuildState,
    Failed,
    Interrupted,
    SetBack,
    Started,
    Succeeded,
    advance,
)
from ekaci_core.model.event import BuildFinished, BuildPhase, BuildStarted, ReviewEvent
from ekaci_core.model.ids import DrvPath
from ekaci_core.registry.guard import Surprise, guarded
from ekaci_core.scheduler.backoff import Backoff
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
    """What an attempt came to, recorded.

    ``pause`` is set where it is to be made again: the derivation may start after so many seconds, and is among what
    ``effects`` has ready. Until then, or until the run ends, its fault is nobody's business.
    """

    outcome: BuildOutcome
    effects: Effects
    pause: float | None = None


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
    _setbacks: Counter[int] = attrs.field(factory=Counter, init=False)

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
        effects, pause = Effects(), None
        try:
            with giving.scope:
                outcome = await self._build(node, offer, log)
            if giving.scope.cancelled_caught:
                outcome = BuildInterrupted(BuildState.CANCELLED, giving.why)
        finally:
            patience = self.settings.farewell_seconds if outcome is stopped else None
            with anyio.move_on_after(patience, shield=True):
                effects, pause = await self._end(node, attempt, outcome)
                self.events.send(BuildFinished(drv, node.build.state, self.clock.monotonic() - begun))
        return Ended(outcome, effects, pause)

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

    async def _end(self, node: Node, attempt: AttemptId, outcome: BuildOutcome) -> tuple[Effects, float | None]:
        transient = isinstance(outcome, BuildInterrupted) and outcome.transient is not None
        self._setbacks[node.key] += transient
        result = result_of(node.build, outcome, self._setbacks[node.key], self.settings.backoff)
        if result.pause is None:
            del self._setbacks[node.key]
        await self.store.end_attempt(
            attempt,
            now=self.clock.now(),
            exit_status=result.exit_status,
            outcome=result.outcome,
            reason=result.reason,
            kind=result.kind,
        )
        effects = self.graph.apply(node, result.event, result.reason or "built")
        await self.ledger.record(effects.steps)
        return effects, result.pause


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

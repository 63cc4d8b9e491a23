"""What earlier runs left behind: states without a process behind them, attempts without an end."""

from __future__ import annotations

from typing import Final

from ekaci_core.api import Clock
from ekaci_core.model.build import (
    COUNTED_OUTCOMES,
    Build,
    BuildEvent,
    BuildState,
    Failed,
    Interrupted,
    OutputsLost,
    Requeued,
    Succeeded,
    advance,
)
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.claims import Claims
from ekaci_core.scheduler.effects import Step
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.store.contract import Attempt, Store

SCHEDULER_DIED: Final = "the scheduler that ran it died"

_IN_HAND: Final = frozenset({BuildState.BUILDABLE, BuildState.BUILDING, BuildState.FAILED_RETRY})


def resumed(build: Build, *, rebuild_failed: bool) -> Step | None:
    """Say how a derivation that must be built begins, given its state from earlier; None where that stands.

    Failures for good stand, unless they are to be built again. All others get another chance, with the failures
    that were counted.
    """
    event: BuildEvent
    if build.state is BuildState.SUCCESS:
        event, cause = OutputsLost(), "its outputs are gone from the store"
    elif build.state is BuildState.FAILURE:
        if not rebuild_failed:
            return None
        event, cause = Requeued(), "failed builds are built again"
    else:
        event, cause = Requeued(forget_failures=False), "queued again by a new run"
    return Step(advance(build, event), cause)


def after_death(build: Build, attempt: Attempt | None) -> list[Step]:
    """Say what becomes of a derivation in hand whose worker died.

    Where an attempt has an end and the state does not say so, that is made good: what succeeded has succeeded, and a
    failure that was seen is counted. What had no end has died with its
    scheduler. All but results goes back to the queue.
    """
    steps = []
    outcome = None if attempt is None else attempt.outcome
    if build.state is BuildState.BUILDING:
        event, cause = _made_good(outcome), SCHEDULER_DIED
        if attempt is not None and outcome not in (None, BuildState.SCHEDULER_DEATH):
            cause = attempt.reason or "built"
        build = advance(build, event)
        steps.append(Step(build, cause))
    if build.state not in (BuildState.SUCCESS, BuildState.FAILURE):
        steps.append(Step(advance(build, Requeued(forget_failures=False)), SCHEDULER_DIED))
    return steps


def _made_good(outcome: BuildState | None) -> BuildEvent:
    """What happened to a derivation that still builds, as its attempt's end has it."""
    if outcome is BuildState.SUCCESS:
        return Succeeded()
    if outcome in COUNTED_OUTCOMES:
        return Failed(final=outcome is BuildState.FAILURE)
    return Interrupted(BuildState.SCHEDULER_DEATH if outcome is None else outcome)


class Recovery:
    """Ends what dead workers had in hand, and returns it to the queue."""

    def __init__(self, store: Store, ledger: Ledger, claims: Claims, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._claims = claims
        self._clock = clock

    async def clear(self) -> None:
        """Queue again all that dead workers had in hand, wanted by this run or not, and end their claims."""
        for drv in await self._store.claims():
            if await self._claims.take(drv):
                try:
                    await self.close(drv)
                finally:
                    await self._claims.release(drv)

    async def close(self, drv: DrvPath) -> Build:
        """End what a dead worker left of this derivation, whose claim we hold; return its state after that."""
        build = (await self._store.builds([drv])).get(drv, Build(drv))
        attempt = (await self._store.last_attempts([drv])).get(drv)
        unfinished = attempt is not None and attempt.ended_at is None
        if attempt is not None and unfinished:
            await self._store.end_attempt(
                attempt.id,
                now=self._clock.now(),
                exit_status=None,
                outcome=BuildState.SCHEDULER_DEATH,
                reason=SCHEDULER_DIED,
            )
        if build.state is BuildState.BUILDING or (unfinished and build.state in _IN_HAND):
            steps = after_death(build, None if unfinished else attempt)
            await self._ledger.record(steps)
            return steps[-1].build
        return build

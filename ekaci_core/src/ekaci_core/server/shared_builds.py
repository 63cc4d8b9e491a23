"""One run of the scheduler for everything that a server builds: what several reviews need is built once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

import anyio
import attrs

from ekaci_core.api import Builder, Clock, EkaciError, InfrastructureFault, Logger
from ekaci_core.model.build import BuildState
from ekaci_core.model.change import AttributeChange, Change, JobComparison
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler import ATTRIBUTION_PRIORITY, BuildRun, Scheduler, Wanted
from ekaci_core.scheduler.graph_metrics import GraphMetrics
from ekaci_core.scheduler.run import FAILING
from ekaci_core.scheduler.wishes import Share
from ekaci_core.server.building import BuildResult
from ekaci_core.store import Store

PAUSE_SECONDS: Final = 30.0
"""After a fault of the machine, before anything is built again."""
_FAREWELL_SECONDS: Final = 10.0
_AGAIN: Final = "they begin again by themselves"
_ASKED_AGAIN: Final = "asked for again"


@attrs.define(eq=False)
class SharedBuilds:
    """Builds for whoever asks. After a fault of the machine the run ends for all; a new one begins after a pause."""

    _scheduler: Scheduler
    _store: Store
    _clock: Clock
    _log: Logger
    _run: BuildRun | None = attrs.field(default=None, init=False)
    _opened: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _failed: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    async def run(self) -> None:
        """Keep a run open, for ever. Cancellation stops what is being built and records it.

        Raises:
            InfrastructureFault: the store failed.
        """
        while True:
            try:
                async with self._scheduler.running() as run:
                    self._run = run
                    self._opened.set()
                    await run.broken()
                    self._log.warning("builds_stopped", reasons=list(run.infrastructure))
            except EkaciError:
                # Whoever waits for a build of this run would wait for ever.
                self._failed.set()
                self._failed = anyio.Event()
                raise
            finally:
                self._run = None
                self._opened = anyio.Event()
            await anyio.sleep(PAUSE_SECONDS)

    async def build(self, share: Share, jobs: Sequence[JobComparison], *, again: bool = False) -> BuildResult:
        """Build what head has new in these jobs, and base's derivation of what fails; return once all has ended.

        With ``again``, what failed before gets all its attempts once more.

        Leaving it by cancellation gives up what nobody else wants.

        Raises:
            InfrastructureFault: a derivation has vanished, or Nix or the store failed.
        """
        changes = [change for job in jobs for change in job.changes if change.head is not None]
        if not changes:
            return BuildResult(0, ())
        run, failed = await self._open(), self._failed
        before = run.built
        try:
            if again:
                await run.retry(await self._culprits(changes), _ASKED_AGAIN)
            await run.look([change.base.drv for change in changes if change.base is not None])
            heads = [Wanted(each.head.drv, share=share) for each in changes if each.head is not None]
            await _through(run, heads, failed)
            bases = await self._bases_to_know(changes)
            await _through(run, [Wanted(drv, ATTRIBUTION_PRIORITY, share) for drv in sorted(bases)], failed)
            return BuildResult(run.built - before, tuple(run.infrastructure))
        finally:
            if self._run is run:
                with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                    await run.withdraw(share)

    @property
    def builders(self) -> Sequence[Builder]:
        """Who builds."""
        return self._scheduler.builders

    async def build_one(
        self, share: Share, drv: DrvPath, *, forget: Collection[DrvPath] = (), queued: Callable[[], None] = lambda: None
    ) -> None:
        """Build a derivation that the store knows; return once it has ended, or builds have stopped for a fault.

        The failures of ``forget`` are forgotten first; ``queued`` is called once that is recorded. Leaving it by
        cancellation gives up what nobody else wants.

        Raises:
            InfrastructureFault: a derivation has vanished, or Nix or the store failed.
        """
        run, failed = await self._open(), self._failed
        try:
            await run.retry(forget, _ASKED_AGAIN)
            await run.add([Wanted(drv, share=share)])
            queued()
            await _finished(run, [drv], failed)
        finally:
            if self._run is run:
                with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                    await run.withdraw(share)

    @property
    def metrics(self) -> GraphMetrics | None:
        """Figures on the graph of what is to be built, None between two runs."""
        return None if self._run is None else self._run.metrics

    async def drain(self, seconds: float) -> None:
        """Begin nothing any more, and let what is being built end, for so long at most."""
        if self._run is not None:
            with anyio.move_on_after(seconds):
                await self._run.drain()

    async def _open(self) -> BuildRun:
        while self._run is None:
            await self._opened.wait()
        return self._run

    async def _culprits(self, changes: Sequence[AttributeChange]) -> set[DrvPath]:
        """Find what keeps head's derivations from having been built."""
        builds = await self._store.builds({each.head.drv for each in changes if each.head is not None})
        failed = {drv for drv, build in builds.items() if build.state is BuildState.FAILURE}
        return failed.union(*(build.blockers for build in builds.values()))

    async def _bases_to_know(self, changes: Sequence[AttributeChange]) -> set[DrvPath]:
        """Find the derivations of base whose results tell whether what fails on head failed before."""
        pairs = [
            (each.head.drv, each.base.drv)
            for each in changes
            if each.change is Change.CHANGED and each.head is not None and each.base is not None
        ]
        heads = await self._store.builds({head for head, _ in pairs})
        bases = {base for head, base in pairs if head in heads and heads[head].state in FAILING}
        known = await self._store.builds(bases)
        return {drv for drv in bases if drv not in known or not known[drv].state.is_result}


async def _through(run: BuildRun, wanted: Collection[Wanted], failed: anyio.Event) -> None:
    """Have all of these built, unless the whole run fails meanwhile.

    Raises:
        InfrastructureFault: it did, or a derivation has vanished, or Nix or the store failed.
    """
    if wanted:
        await run.add(wanted)
        await _finished(run, [wish.drv for wish in wanted], failed)


async def _finished(run: BuildRun, drvs: Collection[DrvPath], failed: anyio.Event) -> None:
    over = False
    async with anyio.create_task_group() as tasks:

        async def give_up() -> None:
            await failed.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(give_up, name="watch the run")
        await run.finished(drvs)
        over = True
        tasks.cancel_scope.cancel()
    if not over:
        raise InfrastructureFault("the builds were stopped by a fault of the machine", where="builds", do=_AGAIN)


def counts_of(states: Collection[BuildState | None]) -> tuple[int, int]:
    """Count how many have ended well, and how many otherwise."""
    well = sum(state is BuildState.SUCCESS for state in states)
    return well, sum(state is not None and state.is_terminal for state in states) - well

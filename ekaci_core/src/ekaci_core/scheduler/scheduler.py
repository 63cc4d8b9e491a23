"""The scheduler: puts a run together and takes it apart again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import attrs

from ekaci_core.api import Builder, Clock, EkaciError, InfrastructureFault, Logger
from ekaci_core.bus import Broadcast
from ekaci_core.model.event import ReviewEvent
from ekaci_core.model.ids import DrvPath
from ekaci_core.registry.guard import leaves
from ekaci_core.scheduler.attempt import Attempts
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.cancelling import Cancelling
from ekaci_core.scheduler.claims import Claims
from ekaci_core.scheduler.graph_metrics import GraphMetrics
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.planning import Planner, Survey
from ekaci_core.scheduler.recovery import Recovery
from ekaci_core.scheduler.residents import Residents
from ekaci_core.scheduler.run import BuildRun, OnFailure
from ekaci_core.scheduler.turns import Turns
from ekaci_core.scheduler.wishes import SchedulerSettings, Wanted
from ekaci_core.store.contract import Store


@attrs.frozen(kw_only=True)
class Scheduler:
    """Builds derivations with the builders that are open, each once, and records every transition.

    Attributes:
        store: where results are facts.
        builders: who builds; in order of preference where equally free.
        survey: finds out what wanted derivations would take, usually `ekaci_core.substitution.Substitution.plan`.
        clock: time.
        log: where surprises of builders go.
        events: told of starts, phases, ends and totals.
        logs_dir: each build's log is ``<hash>/build.log`` below it.
        roots_dir: the outputs of what was built stay alive through links in it.
        settings: see there.
        metrics: figures on the graph.
    """

    store: Store
    builders: Sequence[Builder]
    survey: Survey
    clock: Clock
    log: Logger
    events: Broadcast[ReviewEvent]
    logs_dir: Path
    roots_dir: Path
    settings: SchedulerSettings = SchedulerSettings()
    metrics: GraphMetrics = attrs.field(factory=GraphMetrics)

    @asynccontextmanager
    async def running(self, on_failure: OnFailure | None = None) -> AsyncIterator[BuildRun]:
        """Open a run. Leaving it stops what still builds, and has that recorded as cancelled.

        Args:
            on_failure: told of wanted derivations that fail, those known from earlier runs included; the run is not
                idle before it returns.

        Raises:
            InfrastructureFault: the store or Nix failed, or the directory of the roots cannot be made.
        """
        _make(self.roots_dir, "roots")
        _make(self.logs_dir, "logs")
        claims = Claims(self.store, self.clock, lease_seconds=self.settings.lease_seconds)
        ledger = Ledger(self.store, self.clock, claims)
        recovery = Recovery(self.store, ledger, claims, self.clock)
        try:
            await recovery.clear()
            async with anyio.create_task_group() as tasks:
                run = await self._assemble(claims, ledger, recovery, tasks, on_failure)
                tasks.start_soon(claims.renew, name="renew claims")
                tasks.start_soon(run.take_turns, name="take turns")
                tasks.start_soon(run.watch_others, name="watch other builders")
                tasks.start_soon(run.look_after_graph, name="look after the graph")
                tasks.start_soon(run.watch_cancellations, name="watch cancellations")
                yield run
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _plain(group) from None
        finally:
            with anyio.move_on_after(self.settings.farewell_seconds, shield=True):
                await claims.release_all()

    async def look(self, drvs: Collection[DrvPath]) -> None:
        """Record which of these need no build, because their outputs are there or can be fetched; build nothing.

        Raises:
            InfrastructureFault: as `BuildRun.look`.
        """
        async with self.running() as run:
            await run.look(drvs)

    async def build(self, wanted: Collection[Wanted], on_failure: OnFailure | None = None) -> tuple[str, ...]:
        """Build all of these; return sentences on faults of the machine, none where it was well.

        Raises:
            InfrastructureFault: as `running`.
        """
        async with self.running(on_failure) as run:
            await run.add(wanted)
            await run.wait()
            return tuple(run.infrastructure)
        raise AssertionError("unreachable: a run swallows no exception")

    async def _assemble(
        self,
        claims: Claims,
        ledger: Ledger,
        recovery: Recovery,
        tasks: anyio.abc.TaskGroup,
        on_failure: OnFailure | None,
    ) -> BuildRun:
        placement = Placement(self.builders, fixed_output_jobs=self.settings.fixed_output_jobs)
        graph = BuildGraph()
        limits, metrics = self.settings.graph, self.metrics
        residents = Residents(self.store, graph, placement, ledger, limits, self.clock, metrics, self.log)
        attempts = Attempts(self.log, self.events, self.logs_dir, self.roots_dir, self.settings)
        turns = Turns(
            self.store,
            placement,
            graph,
            residents,
            ledger,
            attempts,
            self.events,
            self.clock,
            self.settings.farewell_seconds,
            self.settings.patience_seconds,
            self.settings.copy_pause_seconds,
        )
        cancelling = Cancelling(self.store, graph, residents, ledger, turns, self.clock, self.settings.poll_seconds)
        await cancelling.begin()
        return BuildRun(
            store=self.store,
            graph=graph,
            residents=residents,
            ledger=ledger,
            claims=claims,
            recovery=recovery,
            planner=Planner(self.store, self.survey, placement, rebuild_failed=self.settings.rebuild_failed),
            turns=turns,
            cancelling=cancelling,
            events=self.events,
            settings=self.settings,
            tasks=tasks,
            on_failure=on_failure,
        )


def _make(folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InfrastructureFault(
            f"the directory for {what} of builds cannot be made ({error.strerror})",
            where=str(folder),
            do="make room, or see to its permissions",
        ) from error


def _plain(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What callers should meet: the one error, or the first of several that people understand."""
    inner = leaves(group)
    if len(inner) == 1 or all(isinstance(each, EkaciError) for each in inner):
        return inner[0]
    return group

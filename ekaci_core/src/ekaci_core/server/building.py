"""Build what head changed, and what of base must be known to judge it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import attrs

from ekaci_core.api import Builder, Clock, Logger
from ekaci_core.bus import Broadcast
from ekaci_core.config.building import MachineBuilding
from ekaci_core.model.build import Build
from ekaci_core.model.change import AttributeChange, Change, JobComparison
from ekaci_core.model.event import ReviewEvent
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler import ATTRIBUTION_PRIORITY, Backoff, BuildRun, Scheduler, SchedulerSettings, Survey, Wanted
from ekaci_core.server.builders import fixed_output_jobs, graph_limits
from ekaci_core.server.options import ReviewOptions
from ekaci_core.server.places import Places
from ekaci_core.server.sealing import sealing
from ekaci_core.store.contract import Store


@attrs.frozen
class BuildResult:
    """How many derivations were built now, sentences on faults of the machine, and on builders that were left out."""

    built: int
    infrastructure: tuple[str, ...]
    notes: tuple[str, ...] = ()


@attrs.frozen
class ReviewBuilds:
    """Builds of one review, by these builders and within these bounds."""

    store: Store
    builders: Sequence[Builder]
    bounds: MachineBuilding
    survey: Survey
    clock: Clock
    log: Logger
    events: Broadcast[ReviewEvent]
    places: Places
    options: ReviewOptions

    async def build(self, comparisons: Iterable[JobComparison]) -> BuildResult:
        """Build head's derivations that are new; where one fails and base's is not known, build that too.

        Raises:
            InfrastructureFault: the store or Nix failed.
        """
        changes = [change for job in comparisons for change in job.changes if change.head is not None]
        attribution = _Attribution(self.store, changes) if self.options.attribution else None
        scheduler = self._scheduler()
        await scheduler.look([change.base.drv for change in changes if change.base is not None])
        async with (
            sealing(self.events, self.places.logs, self.log),
            scheduler.running(attribution.on_failure if attribution else None) as run,
        ):
            if attribution is not None:
                attribution.run = run
            await run.add([Wanted(change.head.drv) for change in changes if change.head is not None])
            await run.wait()
            return BuildResult(run.built, tuple(run.infrastructure))
        raise AssertionError("unreachable: a run swallows no exception")

    def _scheduler(self) -> Scheduler:
        return Scheduler(
            store=self.store,
            builders=self.builders,
            survey=self.survey,
            clock=self.clock,
            log=self.log,
            events=self.events,
            logs_dir=self.places.logs,
            roots_dir=self.places.outputs,
            settings=SchedulerSettings(
                keep_going=self.options.keep_going,
                rebuild_failed=self.options.rebuild_failed,
                backoff=Backoff(first_seconds=self.options.retry_pause_seconds),
                fixed_output_jobs=fixed_output_jobs(self.bounds),
                no_output_timeout_seconds=self.bounds.build_no_output_timeout_seconds,
                max_duration_seconds=self.bounds.build_max_duration_seconds,
                graph=graph_limits(self.bounds),
            ),
        )


class _Attribution:
    """Asks for the base's derivation of whatever fails on head."""

    def __init__(self, store: Store, changes: Sequence[AttributeChange]) -> None:
        self.run: BuildRun | None = None
        self._store = store
        self._base_of: dict[DrvPath, set[DrvPath]] = {}
        for change in changes:
            if change.change is Change.CHANGED and change.base is not None and change.head is not None:
                self._base_of.setdefault(change.head.drv, set()).add(change.base.drv)

    async def on_failure(self, failed: Sequence[Build]) -> None:
        bases: set[DrvPath] = set()
        for build in failed:
            bases |= self._base_of.get(build.drv, set())
        if self.run is not None and (unknown := await self._unknown(bases)):
            await self.run.add([Wanted(drv, ATTRIBUTION_PRIORITY) for drv in sorted(unknown)])

    async def _unknown(self, drvs: Collection[DrvPath]) -> set[DrvPath]:
        builds = await self._store.builds(drvs)
        return {drv for drv in drvs if drv not in builds or not builds[drv].state.is_result}

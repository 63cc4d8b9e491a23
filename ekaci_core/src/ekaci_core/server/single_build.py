"""Building one derivation and all it needs: what ``ekaci build`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.api import Builder, Clock
from ekaci_core.bus import Broadcast
from ekaci_core.config.building import MachineBuilding
from ekaci_core.config.retention import RetentionSettings, read_retention
from ekaci_core.logs import log_of
from ekaci_core.model.build import Build, BuildState, Requeued, advance
from ekaci_core.model.derivation import Output
from ekaci_core.model.errors import EXIT_INFRASTRUCTURE, InfrastructureFault
from ekaci_core.model.event import ReviewEvent, ReviewNote, StageStarted
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.environment import nix_environment
from ekaci_core.registry import Instances
from ekaci_core.scheduler import Scheduler, SchedulerSettings, Wanted
from ekaci_core.server.builder_reports import plugin_context
from ekaci_core.server.builders import fixed_output_jobs, graph_limits, plan_of
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.known import named_derivation, take_in
from ekaci_core.server.occupancy import Occupancy
from ekaci_core.server.places import Places
from ekaci_core.server.retention import LogLimits, Retention
from ekaci_core.server.sealing import sealing
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import BuildChange
from ekaci_core.telemetry import LOG

EXIT_NOT_BUILT: Final = 1
_MACHINES: Final = frozenset({BuildState.OUT_OF_MEMORY, BuildState.PROCESS_DEATH, BuildState.SCHEDULER_DEATH})
_ASKED_AGAIN: Final = "asked for again"


@attrs.frozen
class BuildOptions:
    """The options of ``ekaci build``: ``force`` forgets its failures, ``rebuild_all`` those of all it needs as well."""

    derivation: str
    force: bool = False
    rebuild_all: bool = False
    slots: int | None = None


@attrs.frozen
class Culprit:
    """A derivation and how it ended: its state, the reason, its log's file if there is one.

    ``known`` says that it was not attempted now.
    """

    build: Build
    reason: str
    log: Path | None
    known: bool


@attrs.frozen
class SingleBuild:
    """How it ended.

    Attributes:
        build: the state of the derivation.
        reason: why it is in that state.
        log: of its last build; None where it was not built here.
        outputs: its own.
        built: how many derivations were built now.
        known: whether that was known from before; no attempt was made now.
        culprits: what it needs that did not succeed and keeps it from being built.
        infrastructure: sentences on faults of the machine.
    """

    build: Build
    reason: str
    log: Path | None
    outputs: tuple[Output, ...]
    built: int
    known: bool
    culprits: tuple[Culprit, ...] = ()
    infrastructure: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 built, 1 not, 3 not because of the machine."""
        if self.build.state is BuildState.SUCCESS:
            return 0
        states = {self.build.state, *(each.build.state for each in self.culprits)}
        return EXIT_INFRASTRUCTURE if self.infrastructure or states & _MACHINES else EXIT_NOT_BUILT


async def build_one(
    options: BuildOptions,
    *,
    events: Broadcast[ReviewEvent],
    environment: Mapping[str, str],
    clock: Clock | None = None,
) -> SingleBuild:
    """Build a derivation and all it needs; return how that ended.

    Args:
        options: what to build and how.
        events: told of progress.
        environment: this process's environment; it says where things are kept and what Nix is given.
        clock: time; the machine's own unless given.

    Raises:
        UsageFault: there is no such derivation, or the configuration cannot be used.
        InfrastructureFault: the machine is at fault and nothing can be said.
    """
    clock = clock or SystemClock()
    began_at = clock.now()
    places = Places.of(environment)
    async with AsyncExitStack() as stack:
        events.send(StageStarted("reading the derivation"))
        places.make()
        occupancy = await stack.enter_async_context(Occupancy.of(places.lock))
        store = await stack.enter_async_context(open_store(places.database))
        context = plugin_context(environment, clock)
        plan = plan_of(environment, local_slots=options.slots)
        instances = await stack.enter_async_context(Instances(plan.registry, context))
        opened = await plan.open(instances)
        builders = opened.builders
        for note in opened.notes:
            events.send(ReviewNote(note))
        drv = await named_derivation(store, options.derivation)
        await take_in(store, drv)
        parts = _Parts(
            store,
            places,
            events,
            clock,
            environment,
            builders,
            plan.settings,
            read_retention(environment),
            began_at,
        )
        result = await parts.build(drv, options)
        await parts.clean_up(result, occupancy)
        return result


@attrs.frozen
class _Parts:
    store: Store
    places: Places
    events: Broadcast[ReviewEvent]
    clock: Clock
    environment: Mapping[str, str]
    builders: Sequence[Builder]
    bounds: MachineBuilding
    retention: RetentionSettings
    began_at: float

    async def build(self, drv: DrvPath, options: BuildOptions) -> SingleBuild:
        if options.force:
            await self._forget_failure(drv)
        self.events.send(StageStarted("building"))
        scheduler = Scheduler(
            store=self.store,
            builders=self.builders,
            survey=partial(build_plan, environment=nix_environment(self.environment)),
            clock=self.clock,
            log=LOG,
            events=self.events,
            logs_dir=self.places.logs,
            roots_dir=self.places.outputs,
            settings=SchedulerSettings(
                rebuild_failed=options.rebuild_all,
                fixed_output_jobs=fixed_output_jobs(self.bounds),
                no_output_timeout_seconds=self.bounds.build_no_output_timeout_seconds,
                max_duration_seconds=self.bounds.build_max_duration_seconds,
                graph=graph_limits(self.bounds),
            ),
        )
        async with sealing(self.events, self.places.logs, LOG), scheduler.running() as run:
            await run.add([Wanted(drv)])
            await run.wait()
            return await self._result(drv, run.built, tuple(run.infrastructure))
        raise AssertionError("unreachable: a run swallows no exception")

    async def clean_up(self, result: SingleBuild, occupancy: Occupancy) -> None:
        """Keep logs within their bounds, as a review does."""
        if not occupancy.become_alone():
            return  # whoever ends last cleans up
        limits = LogLimits(self.retention.logs_total_bytes, self.retention.logs_max_age_seconds)
        logs = [result.log, *(each.log for each in result.culprits)]
        try:
            await Retention(self.store, self.places.logs, self.places.outputs, limits).sweep(
                now=self.clock.now(), since=self.began_at, keep=[each for each in logs if each], forgotten=False
            )
        except InfrastructureFault as fault:  # no reason to withhold how the build ended
            self.events.send(ReviewNote(f"old logs could not be removed: {fault}"))

    async def _forget_failure(self, drv: DrvPath) -> None:
        known = (await self.store.builds([drv])).get(drv)
        if known is None or known.state is BuildState.SUCCESS or not known.state.is_terminal:
            return
        anew = advance(known, Requeued())
        await self.store.record_builds([BuildChange(anew, self.clock.now(), _ASKED_AGAIN)])

    async def _result(self, drv: DrvPath, built: int, infrastructure: tuple[str, ...]) -> SingleBuild:
        number = (await self.store.derivation_ids([drv]))[drv]
        outputs = (await self.store.derivations([number]))[number].outputs
        (own,) = await self._told([drv])
        culprits = await self._told(sorted(own.build.blockers))
        return SingleBuild(own.build, own.reason, own.log, outputs, built, own.known, tuple(culprits), infrastructure)

    async def _told(self, drvs: Sequence[DrvPath]) -> list[Culprit]:
        changes = await self.store.last_changes(drvs)
        attempts = await self.store.last_attempts(drvs)
        told = []
        for drv in drvs:
            change, attempt = changes.get(drv), attempts.get(drv)
            build, reason = (Build(drv), "") if change is None else (change.build, change.cause)
            if attempt is not None and attempt.outcome is build.state and attempt.reason:
                reason = attempt.reason
            known = attempt is None or attempt.started_at < self.began_at
            told.append(Culprit(build, reason, log_file(self.places, drv), known))
        return told


def log_file(places: Places, drv: DrvPath) -> Path | None:
    """Return the file that the log of a derivation's last build is in, None where there is none."""
    log = log_of(places.logs, drv.hash_part)
    return next((each for each in (log, log.with_name(f"{log.name}.gz")) if each.exists()), None)

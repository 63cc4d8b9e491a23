"""A review from beginning to end: what ``ekaci review`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import attrs

from ekaci_core.api import Clock, Evaluator, InfrastructureFault, Logger, PluginContext
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.bus import Broadcast
from ekaci_core.config.machine_file import read_machine_file
from ekaci_core.config.retention import RetentionSettings, parse_retention
from ekaci_core.evaluation import Evaluations
from ekaci_core.model.change import JobComparison
from ekaci_core.model.event import ReviewEvent, ReviewNote
from ekaci_core.model.report import Report
from ekaci_core.nix.environment import nix_environment
from ekaci_core.nix.versions import Nix, probe
from ekaci_core.process import together
from ekaci_core.registry import Instances, load_registry
from ekaci_core.server.builders import BuilderPlan
from ekaci_core.server.building import BuildResult, ReviewBuilds
from ekaci_core.server.checkouts import CheckoutFolders, private_folder
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.inputs import ReviewInputs, read_inputs
from ekaci_core.server.occupancy import Occupancy
from ekaci_core.server.options import ReviewOptions
from ekaci_core.server.places import Places
from ekaci_core.server.retention import LogLimits, Retention
from ekaci_core.server.stopwatch import Stopwatch
from ekaci_core.server.work import ReviewWork
from ekaci_core.store import Store, open_store
from ekaci_core.telemetry import LOG


async def review(
    options: ReviewOptions,
    *,
    events: Broadcast[ReviewEvent],
    environment: Mapping[str, str],
    clock: Clock | None = None,
) -> Report:
    """Review a change and return the report.

    Args:
        options: what to review and how.
        events: told of progress.
        environment: this process's environment; it says where things are kept and what Nix is given.
        clock: time; the machine's own unless given.

    Raises:
        UsageFault: what was asked for, or the repository's configuration, cannot be used.
        InfrastructureFault: the machine is at fault and nothing can be said.
    """
    clock = clock or SystemClock()
    began_at = clock.now()
    retention, plan = _configuration(options, environment)
    stages = Stopwatch(clock, events)
    given = nix_environment(environment)
    context = PluginContext(clock=clock, log=LOG, environment=given, nix=NixCommands(given, retention.log_max_bytes))
    async with AsyncExitStack() as stack:
        instances = await stack.enter_async_context(Instances(plan.registry, context))
        with stages.stage("reading the repository"):
            inputs, (nix, evaluator) = await together(
                partial(read_inputs, options), partial(_open_evaluator, options.evaluator, instances, context)
            )
            places = Places.of(environment)
            places.make()
            folders = CheckoutFolders(places.worktrees, private_folder())
            await folders.prune()
        for note in inputs.notes:
            events.send(ReviewNote(note))
        occupancy = await stack.enter_async_context(Occupancy.of(places.lock))
        store = await stack.enter_async_context(open_store(places.database))
        parts = Parts(
            options,
            inputs,
            places,
            folders,
            nix,
            evaluator,
            clock,
            LOG,
            events,
            stages,
            store,
            instances,
            context,
            occupancy,
            began_at,
            retention,
            plan,
        )
        return await parts.review()


def _configuration(options: ReviewOptions, environment: Mapping[str, str]) -> tuple[RetentionSettings, BuilderPlan]:
    file = read_machine_file(environment)
    retention = parse_retention(file.contents.get("retention", {}), file.origin)
    registry = load_registry(environment, LOG)
    plan = BuilderPlan.of(
        file, registry, environment, LOG, local_slots=options.build_slots, log_bytes=retention.log_max_bytes
    )
    return retention, plan


async def _open_evaluator(name: str, instances: Instances, context: PluginContext) -> tuple[Nix, Evaluator]:
    # One after the other: the first that opens a store may have to make it.
    nix = await probe(context.environment)
    return nix, await instances.evaluator(name)


@attrs.frozen
class Parts:
    """Everything that a review works with, open."""

    options: ReviewOptions
    inputs: ReviewInputs
    places: Places
    folders: CheckoutFolders
    nix: Nix
    evaluator: Evaluator
    clock: Clock
    log: Logger
    events: Broadcast[ReviewEvent]
    stages: Stopwatch
    store: Store
    instances: Instances
    context: PluginContext
    occupancy: Occupancy
    began_at: float
    retention: RetentionSettings
    plan: BuilderPlan

    async def review(self) -> Report:
        """Evaluate, compare, build, judge, and clean up."""
        work = ReviewWork(
            self.options,
            self.inputs,
            self.folders,
            self.nix.settings,
            self.context.environment,
            self.evaluator,
            self.store,
            self.stages,
        )
        async with Evaluations(
            self.store,
            self.evaluator,
            self.clock,
            self.places.roots / "evaluations",
            self.events,
            keep=self.retention.evaluations_kept,
            keep_seconds=self.retention.evaluations_max_age_seconds,
        ) as held:
            compared = await work.compare(held)
            result = BuildResult(0, ())
            if self.options.build:
                with self.stages.stage("building"):
                    result = await self._build(compared.jobs)
            report = await work.report(compared, result)
        return await self._clean_up(report, forgotten=held.dropped > 0)

    async def _build(self, comparisons: Sequence[JobComparison]) -> BuildResult:
        if not any(change.head is not None for job in comparisons for change in job.changes):
            return BuildResult(0, ())
        # Only what builds pays for loading it.
        from ekaci_core.server.substituting import substitution_of  # noqa: PLC0415

        opened = await self.plan.open(self.instances)
        for note in opened.notes:
            self.events.send(ReviewNote(note))
        async with substitution_of(self.nix, self.context, self.events) as substitution:
            builds = ReviewBuilds(
                store=self.store,
                builders=opened.builders,
                bounds=self.plan.settings,
                survey=substitution.plan,
                clock=self.clock,
                log=self.log,
                events=self.events,
                places=self.places,
                options=self.options,
            )
            return attrs.evolve(await builds.build(comparisons), notes=opened.notes)
        raise AssertionError("unreachable: substitution swallows no exception")

    async def _clean_up(self, report: Report, *, forgotten: bool) -> Report:
        """Remove what is not to stay for later, and return the report."""
        if not self.occupancy.become_alone():
            return report  # whoever ends last cleans up
        try:
            limits = LogLimits(self.retention.logs_total_bytes, self.retention.logs_max_age_seconds)
            await Retention(self.store, self.places.logs, self.places.outputs, limits).sweep(
                now=self.clock.now(),
                since=self.began_at,
                keep=[Path(each.log_path) for each in report.failures if each.log_path],
                forgotten=forgotten,
            )
        except InfrastructureFault as fault:  # no reason to withhold what was found out
            return attrs.evolve(report, notes=(*report.notes, f"Old logs could not be removed: {fault}."))
        return report

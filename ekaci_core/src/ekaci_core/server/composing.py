"""Puts a server together: everything is opened here, in the order in which it needs each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from ekaci_core.api import Clock, Logger, PluginContext
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.bus import Broadcast, Wakeup
from ekaci_core.config.load import server_converter
from ekaci_core.config.server import ServerConfig
from ekaci_core.git.mirror import Mirrors
from ekaci_core.intake import Intake, IntakePolicy
from ekaci_core.model.event import ReviewEvent
from ekaci_core.nix.advisories import root_escalation
from ekaci_core.nix.environment import nix_environment
from ekaci_core.nix.versions import Nix, probe
from ekaci_core.registry import Instances, Registry
from ekaci_core.reporting.publishing import Publisher
from ekaci_core.scheduler import Scheduler, SchedulerSettings
from ekaci_core.server.builders import BuilderPlan, fixed_output_jobs
from ekaci_core.server.checkouts import CheckoutFolders, private_folder
from ekaci_core.server.configuring import shapes_of
from ekaci_core.server.credentials import Credentials
from ekaci_core.server.forges import Forges, open_forges
from ekaci_core.server.options import ReviewOptions
from ekaci_core.server.review_parts import ReviewLimits, ReviewParts
from ekaci_core.server.reviewing import Reviewing
from ekaci_core.server.server_places import ServerPlaces
from ekaci_core.server.shared_builds import SharedBuilds
from ekaci_core.server.substituting import substitution_of
from ekaci_core.store import Store, open_store


@attrs.frozen
class Services:
    """What runs for as long as the server does, and what it works with."""

    config: ServerConfig
    store: Store
    forges: Forges
    nix: Nix
    builds: SharedBuilds
    reviewing: Reviewing
    publisher: Publisher
    intake: Intake
    arrivals: Wakeup
    events: Broadcast[ReviewEvent]
    places: ServerPlaces
    clock: Clock
    log: Logger
    parts: ReviewParts


@asynccontextmanager
async def opened(
    config: ServerConfig, registry: Registry, environment: Mapping[str, str], *, clock: Clock, log: Logger
) -> AsyncIterator[Services]:
    """Open everything; what was opened last is closed first.

    Raises:
        UsageFault: something that is configured cannot be used.
        InfrastructureFault: something that is needed is not there, or does not work.
    """
    places = ServerPlaces.of(config)
    places.make()
    given = nix_environment(environment)
    context = PluginContext(
        clock=clock, log=log, environment=given, nix=NixCommands(given, config.retention.log_max_bytes)
    )
    own = attrs.evolve(context, environment=dict(environment))
    events: Broadcast[ReviewEvent] = Broadcast()
    with places.alone():
        nix = await probe(given)
        _warn_of(nix, log)
        async with (
            open_store(places.database) as store,
            Instances(registry, own) as sources,
        ):
            credentials = Credentials(registry, sources, server_converter(shapes_of(registry)), clock, log)
            plugins = attrs.evolve(context, credentials=credentials)
            async with (
                Instances(registry, plugins) as instances,
                substitution_of(nix, context, events) as substitution,
            ):
                forges = await open_forges(registry, instances, config.forges)
                plan = BuilderPlan.of(
                    config.file,
                    registry,
                    environment,
                    log,
                    local_slots=None,
                    log_bytes=config.retention.log_max_bytes,
                )
                builders = await plan.open(instances)
                for note in builders.notes:
                    log.warning("builder", note=note)
                folders = CheckoutFolders(places.worktrees, private_folder())
                await folders.prune()
                scheduler = Scheduler(
                    store=store,
                    builders=builders.builders,
                    survey=substitution.plan,
                    clock=clock,
                    log=log,
                    events=events,
                    logs_dir=places.logs,
                    roots_dir=places.outputs,
                    settings=_scheduler_settings(config),
                )
                evaluator = await instances.evaluator(config.eval.evaluator)
                asked, posted, arrivals = Wakeup(), Wakeup(), Wakeup()
                builds = SharedBuilds(scheduler, store, clock, log)
                parts = ReviewParts(
                    store,
                    forges,
                    Mirrors(places.repositories),
                    evaluator,
                    nix,
                    context,
                    builds,
                    _options(config),
                    folders,
                    places.evaluations,
                    _limits(config),
                    clock,
                    log,
                    posted,
                )
                yield Services(
                    config,
                    store,
                    forges,
                    nix,
                    builds,
                    Reviewing(parts, asked),
                    Publisher(store, forges.serving, clock, log, posted),
                    Intake(
                        store,
                        forges.instances,
                        _policy(config),
                        clock=clock,
                        log=log,
                        arrivals=arrivals,
                        reviews_changed=asked.wake,
                    ),
                    arrivals,
                    events,
                    places,
                    clock,
                    log,
                    parts,
                )


def _warn_of(nix: Nix, log: Logger) -> None:
    advisory = root_escalation(nix.version)
    if advisory is not None:
        log.warning(
            "nix_lets_builds_become_root",
            version=str(nix.version),
            advisory=advisory,
            do="update Nix before builds of people who are not trusted run here",
        )


def _scheduler_settings(config: ServerConfig) -> SchedulerSettings:
    return SchedulerSettings(
        fixed_output_jobs=fixed_output_jobs(config.building),
        no_output_timeout_seconds=config.building.build_no_output_timeout_seconds,
        max_duration_seconds=config.building.build_max_duration_seconds,
    )


def _options(config: ServerConfig) -> ReviewOptions:
    return ReviewOptions(
        path=config.workspace_root,
        eval_workers=config.eval.workers,
        eval_memory_mib=config.eval.memory_mib,
        eval_timeout_seconds=config.eval.timeout_seconds or None,
        evaluator=config.eval.evaluator,
    )


def _limits(config: ServerConfig) -> ReviewLimits:
    return ReviewLimits(
        evaluations_kept=config.retention.evaluations_kept,
        evaluations_max_age_seconds=config.retention.evaluations_max_age_seconds,
        max_failed_checks=config.max_failed_check_runs,
        public_url=config.web.public_url,
    )


def _policy(config: ServerConfig) -> IntakePolicy:
    return IntakePolicy(
        require_approval=config.require_approval,
        merge_queue_require_approval=config.merge_queue_require_approval,
    )

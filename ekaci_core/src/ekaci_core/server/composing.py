"""Puts a server together: everything is opened here, in the order in which it needs each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import attrs

from ekaci_core.api import Clock, Logger, PluginContext
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.builtin.programs import ProgramCommands
from ekaci_core.bus import Broadcast, Wakeup
from ekaci_core.config.hiding import config_secrets
from ekaci_core.config.load import server_converter
from ekaci_core.config.secret_variables import secret_variables
from ekaci_core.config.server import ServerConfig
from ekaci_core.delivery.hooks import HookQueue
from ekaci_core.git.mirror import Mirrors
from ekaci_core.intake import Intake, IntakePolicy
from ekaci_core.intake.polling import Polling
from ekaci_core.intake.reconciling import Reconciling
from ekaci_core.model.event import ReviewEvent
from ekaci_core.nix.advisories import root_escalation
from ekaci_core.nix.environment import nix_environment
from ekaci_core.nix.versions import Nix, probe
from ekaci_core.registry import Instances, Registry
from ekaci_core.reporting.publishing import Publisher
from ekaci_core.scheduler import Scheduler, SchedulerSettings
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.server.addresses import addresses_of
from ekaci_core.server.builders import BuilderPlan, fixed_output_jobs
from ekaci_core.server.checkouts import CheckoutFolders, private_folder
from ekaci_core.server.configuring import shapes_of
from ekaci_core.server.credentials import Credentials
from ekaci_core.server.delivering import Delivering, Surroundings, open_delivering
from ekaci_core.server.forges import Forges, open_forges
from ekaci_core.server.hooks import hooks_of
from ekaci_core.server.options import ReviewOptions
from ekaci_core.server.review_parts import ReviewLimits, ReviewParts
from ekaci_core.server.reviewing import Reviewing
from ekaci_core.server.server_places import ServerPlaces
from ekaci_core.server.shared_builds import SharedBuilds
from ekaci_core.server.substituting import substitution_of
from ekaci_core.store import Store, open_store
from ekaci_core.telemetry import REDACTOR, conceal


@attrs.frozen
class Services:
    """What runs for as long as the server does, and what it works with."""

    config: ServerConfig
    parts: ReviewParts
    reviewing: Reviewing
    publisher: Publisher
    intake: Intake
    reconciling: Reconciling
    polling: Polling
    arrivals: Wakeup
    events: Broadcast[ReviewEvent]
    places: ServerPlaces
    credentials: Credentials
    delivering: Delivering
    hooks: HookQueue

    @property
    def store(self) -> Store:
        """Where all facts are."""
        return self.parts.store

    @property
    def forges(self) -> Forges:
        """Those that are configured."""
        return self.parts.forges

    @property
    def builds(self) -> SharedBuilds:
        """What builds for all reviews."""
        return self.parts.builds

    @property
    def clock(self) -> Clock:
        """Time."""
        return self.parts.clock

    @property
    def log(self) -> Logger:
        """What operators read."""
        return self.parts.log


@asynccontextmanager
async def opened(
    config: ServerConfig, registry: Registry, environment: Mapping[str, str], *, clock: Clock, log: Logger
) -> AsyncIterator[Services]:
    """Open everything; what was opened last is closed first.

    Raises:
        UsageFault: something that is configured cannot be used.
        InfrastructureFault: something that is needed is not there, or does not work.
    """
    async with AsyncExitStack() as stack:
        yield await _Opening(config, registry, environment, clock, log, stack).services()


@attrs.frozen
class _Opening:
    config: ServerConfig
    registry: Registry
    environment: Mapping[str, str]
    clock: Clock
    log: Logger
    stack: AsyncExitStack
    events: Broadcast[ReviewEvent] = attrs.field(factory=Broadcast)

    async def services(self) -> Services:
        config, clock, log = self.config, self.clock, self.log
        REDACTOR.learn("configuration", config_secrets(config))
        places = ServerPlaces.of(config)
        places.make()
        self.stack.enter_context(places.alone())
        parts, credentials, delivering, hooks = await self._parts(places)
        store, forges = parts.store, parts.forges
        asked, arrivals = Wakeup(), Wakeup()
        publisher = Publisher(store, forges.serving, clock, log, parts.posted)
        intake = self._intake(store, forges, arrivals, asked)
        reconciling = Reconciling(store, forges.instances, intake.commands, log)
        polling = Polling(store, forges.polled, clock=clock, log=log, stored=arrivals.wake)
        return Services(
            config,
            parts,
            Reviewing(parts, asked),
            publisher,
            intake,
            reconciling,
            polling,
            arrivals,
            self.events,
            places,
            credentials,
            delivering,
            hooks,
        )

    async def _parts(self, places: ServerPlaces) -> tuple[ReviewParts, Credentials, Delivering, HookQueue]:
        """Open what reviews are made with."""
        config, clock, log = self.config, self.clock, self.log
        context = self._context()
        nix = await probe(context.environment)
        _warn_of(nix, log)
        store = await self.stack.enter_async_context(open_store(places.database))
        instances, credentials = await self._instances(context)
        forges = await open_forges(self.registry, instances, config.forges)
        scheduler = await self._scheduler(store, nix, context, instances, places)
        around = Surroundings(store, places, context.environment, clock, log)
        delivering = await open_delivering(config, instances, around)
        hooks = hooks_of(config, store, places, context)
        folders = CheckoutFolders(places.worktrees, private_folder())
        await folders.prune()
        parts = ReviewParts(
            store,
            forges,
            Mirrors(places.repositories),
            await instances.evaluator(config.eval.evaluator),
            nix,
            context,
            SharedBuilds(scheduler, store, clock, log),
            _options(config),
            await _folders(places),
            places.evaluations,
            _limits(config),
            clock,
            log,
            Wakeup(),
            delivering.offering,
            hooks.wishes,
        )
        return parts, credentials, delivering, hooks.queue

    def _context(self) -> PluginContext:
        secret = secret_variables(self.config, self.environment)
        given = nix_environment({name: text for name, text in self.environment.items() if name not in secret})
        programs = NixCommands(given, self.config.retention.log_max_bytes)
        return PluginContext(
            clock=self.clock,
            log=self.log,
            environment=given,
            nix=programs,
            programs=ProgramCommands(),
            addresses=addresses_of(self.config),
            conceal=conceal,
        )

    async def _instances(self, context: PluginContext) -> tuple[Instances, Credentials]:
        """Open what plugins' instances stand on; credential sources alone see the server's own environment."""
        own = attrs.evolve(context, environment=dict(self.environment))
        sources = await self.stack.enter_async_context(Instances(self.registry, own))
        converter = server_converter(shapes_of(self.registry))
        credentials = Credentials(self.registry, sources, converter, self.clock, self.log)
        await self.stack.enter_async_context(credentials.kept())
        instances = Instances(self.registry, attrs.evolve(context, credentials=credentials))
        return await self.stack.enter_async_context(instances), credentials

    async def _scheduler(
        self, store: Store, nix: Nix, context: PluginContext, instances: Instances, places: ServerPlaces
    ) -> Scheduler:
        config = self.config
        log_bytes = config.retention.log_max_bytes
        plan = BuilderPlan.of(
            config.file, self.registry, self.environment, self.log, local_slots=None, log_bytes=log_bytes
        )
        builders = await plan.open(instances)
        for note in builders.notes:
            self.log.warning("builder", note=note)
        substitution = await self.stack.enter_async_context(substitution_of(nix, context, self.events))
        return Scheduler(
            store=store,
            builders=builders.builders,
            survey=substitution.plan,
            clock=self.clock,
            log=self.log,
            events=self.events,
            logs_dir=places.logs,
            roots_dir=places.outputs,
            settings=_scheduler_settings(config),
        )

    def _intake(self, store: Store, forges: Forges, arrivals: Wakeup, asked: Wakeup) -> Intake:
        return Intake(
            store,
            forges.instances,
            _policy(self.config),
            clock=self.clock,
            log=self.log,
            arrivals=arrivals,
            reviews_changed=asked.wake,
            told=forges.told,
        )


async def _folders(places: ServerPlaces) -> CheckoutFolders:
    folders = CheckoutFolders(places.worktrees, private_folder())
    await folders.prune()
    return folders


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
        graph=GraphLimits(
            config.graph.lru_capacity or None,
            config.graph.tier1_age_seconds,
            config.graph.tier2_age_seconds,
            config.graph.tier3_age_seconds,
        ),
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
        repository_weights=config.repository_weights,
        review_as_merged=config.review_as_merged,
        public_url=config.web.public_url,
    )


def _policy(config: ServerConfig) -> IntakePolicy:
    return IntakePolicy(
        require_approval=config.require_approval,
        merge_queue_require_approval=config.merge_queue_require_approval,
    )

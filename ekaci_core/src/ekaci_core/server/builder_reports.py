"""What the builders of this machine's configuration offer, and what each of them does now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from ekaci_core.api import Builder, Clock, InfrastructureFault, PluginContext
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.model.ids import System
from ekaci_core.nix.environment import nix_environment
from ekaci_core.registry import Instances
from ekaci_core.scheduler.worker import process_of
from ekaci_core.server.builders import plan_of
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.places import Places
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import Attempt
from ekaci_core.telemetry import LOG


@attrs.frozen
class BuilderReport:
    """What a builder offers, and how many builds it has now; ``fault`` is empty where it answers."""

    name: str
    systems: tuple[System, ...] = ()
    slots: int = 0
    used: int = 0
    features: tuple[str, ...] = ()
    mandatory_features: tuple[str, ...] = ()
    speed_factor: float = 1.0
    local: bool = False
    fault: str = ""


def plugin_context(environment: Mapping[str, str], clock: Clock | None = None) -> PluginContext:
    """Return what builders are given."""
    given = nix_environment(environment)
    return PluginContext(clock=clock or SystemClock(), log=LOG, environment=given, nix=NixCommands(given))


async def running_attempts(store: Store) -> Sequence[Attempt]:
    """Return the attempts that living processes make now.

    Raises:
        InfrastructureFault: the store failed.
    """
    workers = await store.claims()
    return [each for each in await store.open_attempts() if each.drv in workers and not _is_dead(workers[each.drv])]


async def builder_reports(environment: Mapping[str, str]) -> Sequence[BuilderReport]:
    """Open all builders and say what each offers and does.

    Raises:
        UsageFault: the configuration cannot be used.
        InfrastructureFault: the database cannot be read.
    """
    places = Places.of(environment)
    used = await _used(places) if places.database.exists() else Counter()
    plan = plan_of(environment)
    async with Instances(plan.registry, plugin_context(environment)) as instances:
        try:
            opened = await plan.open(instances)
        except InfrastructureFault as fault:
            return [BuilderReport("local" if plan.local else "none", fault=str(fault))]
        answering = [_report(each, used) for each in opened.builders]
        others = [BuilderReport(each.who.removeprefix("builder "), fault=each.why) for each in opened.left_out]
        return [*answering, *others]


async def _used(places: Places) -> Counter[str]:
    async with open_store(places.database) as store:
        return Counter(each.builder for each in await running_attempts(store))


def _report(builder: Builder, used: Counter[str]) -> BuilderReport:
    return BuilderReport(
        builder.name,
        tuple(sorted(builder.systems)),
        builder.slots,
        used[builder.name],
        tuple(sorted(builder.features)),
        tuple(sorted(builder.mandatory_features)),
        builder.speed_factor,
        builder.is_local,
    )


def _is_dead(worker: str) -> bool:
    process = process_of(worker)
    return process is not None and process.is_dead

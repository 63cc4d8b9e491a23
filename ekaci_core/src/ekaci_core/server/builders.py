"""The builders of this machine's configuration, and what each of them does now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from ekaci_core.api import Builder, Clock, EkaciError, PluginContext
from ekaci_core.builtin.local_builder import LocalBuilderConfig
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.config.retention import read_retention
from ekaci_core.model.ids import System
from ekaci_core.nix.environment import nix_environment
from ekaci_core.registry import Instances, load_registry
from ekaci_core.scheduler.worker import process_of
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.places import Places
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import Attempt
from ekaci_core.telemetry import LOG


@attrs.frozen
class ConfiguredBuilder:
    """A builder as it is configured: the name of its type, and its configuration."""

    type: str
    config: object


@attrs.frozen
class OpenedBuilder:
    """A builder that was asked to open; ``fault`` says why it does not answer."""

    type: str
    builder: Builder | None
    fault: EkaciError | None = None


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


def configured_builders(environment: Mapping[str, str], *, slots: int | None = None) -> Sequence[ConfiguredBuilder]:
    """List the builders that there are: this machine.

    Raises:
        UsageFault: the machine's configuration file cannot be used.
    """
    log_bytes = read_retention(environment).log_max_bytes
    return [ConfiguredBuilder("local", LocalBuilderConfig(slots=slots, log_bytes=log_bytes))]


async def open_builders(instances: Instances, configured: Sequence[ConfiguredBuilder]) -> Sequence[OpenedBuilder]:
    """Open each; one that does not answer is no reason to leave out the others."""
    opened = []
    for each in configured:
        try:
            opened.append(OpenedBuilder(each.type, await instances.builder(each.type, each.config)))
        except EkaciError as fault:
            opened.append(OpenedBuilder(each.type, None, fault))
    return opened


def answering(opened: Sequence[OpenedBuilder]) -> list[Builder]:
    """Return those that answer.

    Raises:
        EkaciError: none does; the fault of the first.
    """
    builders = [each.builder for each in opened if each.builder is not None]
    for each in opened:
        if not builders and each.fault is not None:
            raise each.fault
    return builders


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
    configured = configured_builders(environment)
    async with Instances(load_registry(environment, LOG), plugin_context(environment)) as instances:
        return [_report(each, used) for each in await open_builders(instances, configured)]


async def _used(places: Places) -> Counter[str]:
    async with open_store(places.database) as store:
        return Counter(each.builder for each in await running_attempts(store))


def _report(opened: OpenedBuilder, used: Counter[str]) -> BuilderReport:
    builder = opened.builder
    if builder is None:
        return BuilderReport(opened.type, used=used[opened.type], fault=str(opened.fault))
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

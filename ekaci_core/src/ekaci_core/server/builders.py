"""Who builds: this machine, those of the configuration file, and those that Nix knows of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ekaci_core.api import Builder, EkaciError, InfrastructureFault, Logger, UsageFault
from ekaci_core.builtin.local_builder import LocalBuilderConfig
from ekaci_core.config.builders import LOCAL, BuilderEntry, parse_builders
from ekaci_core.config.building import BuildingSettings, MachineBuilding, parse_building
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.machine_file import MachineFile, read_machine_file
from ekaci_core.config.retention import read_retention
from ekaci_core.registry import Instances, Kind, Registry, load_registry
from ekaci_core.registry.guard import Translating
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.telemetry import LOG

_FEWEST_FETCHES: Final = 4
_MOST_FETCHES: Final = 10


@attrs.frozen
class LeftOut:
    """A builder that cannot be used, and why."""

    who: str
    why: str


@attrs.frozen
class OpenBuilders:
    """Builders that can take builds, this machine first, and sentences on those that cannot."""

    builders: tuple[Builder, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@attrs.frozen
class BuilderPlan:
    """Who is to build, and within which bounds.

    Attributes:
        origin: the configuration file, for messages.
        settings: the bounds.
        local: of this machine, None where nothing is built here.
        entries: the other configured ones.
        registry: knows their types.
    """

    origin: str
    settings: MachineBuilding
    local: BuilderEntry | None
    entries: tuple[BuilderEntry, ...]
    registry: Registry

    @classmethod
    def of(
        cls,
        file: MachineFile,
        registry: Registry,
        environment: Mapping[str, str],
        log: Logger,
        *,
        local_slots: int | None,
        log_bytes: int,
    ) -> BuilderPlan:
        """Read the plan.

        Args:
            file: says which builders there are.
            registry: knows their types.
            environment: wins over the file.
            log: where surprises of plugins go.
            local_slots: what the command line says of this machine, which wins over all.
            log_bytes: so much of each log is kept at most, unless the local builder's table says otherwise.

        Raises:
            ConfigurationFault: the configuration cannot be used.
        """
        settings = parse_building(file, environment)
        with Translating("[[builders]]", log):
            entries = parse_builders(file, lambda name: registry.builder_type(name).config)
        here = next((entry for entry in entries if entry.kind == LOCAL), None)
        written = here is not None and here.config.slots is not None
        if here is not None and written and "local_max_jobs" in file.contents:
            fault = f"{here.at}.slots: local_max_jobs says it already"
            raise ConfigurationFault(file.origin, [fault], do="leave one of them out")
        local = _local(here, settings, local_slots, log_bytes)
        others = tuple(entry for entry in entries if entry.kind != LOCAL)
        return cls(file.origin, settings, local, others, registry)

    async def open(self, instances: Instances) -> OpenBuilders:
        """Open all, for as long as ``instances`` is open. One that cannot be opened is left out with a note.

        Raises:
            UsageFault: what the file says of a builder cannot be used.
            InfrastructureFault: no builder is left.
        """
        opening = _Opening(instances, self.origin)
        if self.local is not None:
            await opening.open(self.local, written=True)
        for entry in self.entries:
            await opening.open(entry, written=True)
        known = {uri for entry in self.entries if (uri := _address(entry.config)) is not None}
        for kind in self.registry.names(Kind.BUILDER):
            for config in await opening.discovered(kind):
                uri = _address(config)
                if uri is None or uri not in known:
                    await opening.open(BuilderEntry(uri or kind, kind, config))
        return opening.result()


@attrs.define
class _Opening:
    _instances: Instances
    _origin: str
    _builders: list[Builder] = attrs.field(factory=list, init=False)
    _faults: list[EkaciError] = attrs.field(factory=list, init=False)
    _left: list[LeftOut] = attrs.field(factory=list, init=False)

    async def open(self, entry: BuilderEntry, *, written: bool = False) -> None:
        address = _address(entry.config)
        try:
            builder = await self._instances.builder(entry.kind, entry.config)
        except UsageFault as fault:
            if written:  # a type says `builders.max_jobs`: it does not know which table is its own
                at = (fault.where or "").replace("builders", entry.at, 1) or entry.at
                raise ConfigurationFault(self._origin, [f"{at}: {fault.what}"], do=fault.do or "mend it") from None
            self._left_out(f"builder {address or entry.at}", fault)
        except EkaciError as fault:
            self._left_out(f"builder {address or entry.at}", fault)
        else:
            if builder.slots > 0:  # nothing was asked of it yet: it has none because it is taken out of use
                self._builders.append(builder)

    async def discovered(self, kind: str) -> tuple[Any, ...]:
        try:
            return tuple(await self._instances.discovered(kind))
        except EkaciError as fault:
            self._left_out(f"builders of type {kind} that are configured elsewhere", fault)
            return ()

    def result(self) -> OpenBuilders:
        if self._builders:
            notes = tuple(f"{each.who} cannot be used: {each.why}" for each in self._left)
            return OpenBuilders(tuple(self._builders), notes, tuple(self._left))
        if len(self._faults) == 1 and isinstance(self._faults[0], InfrastructureFault):
            raise self._faults[0]
        raise InfrastructureFault(
            "; ".join(["there is no builder", *(f"{each.who} cannot be used: {each.why}" for each in self._left)]),
            where=self._origin,
            do="configure one in [[builders]], or let this machine build: slots and local_max_jobs are not 0 then",
        )

    def _left_out(self, who: str, fault: EkaciError) -> None:
        self._faults.append(fault)
        self._left.append(LeftOut(who, f"{fault}" + (f" ({fault.do})" if fault.do else "")))


def plan_of(environment: Mapping[str, str], *, local_slots: int | None = None) -> BuilderPlan:
    """Read the plan of this machine, and find the plugins.

    Raises:
        UsageFault: the configuration file cannot be used.
    """
    file, registry = read_machine_file(environment), load_registry(environment, LOG)
    log_bytes = read_retention(environment).log_max_bytes
    return BuilderPlan.of(file, registry, environment, LOG, local_slots=local_slots, log_bytes=log_bytes)


def fixed_output_jobs(settings: BuildingSettings, processors: int | None = None) -> int:
    """Say how many fixed-output derivations are built at once.

    They wait for networks, but what they fetch is unpacked and hashed: two for each processor, from 4 to 10.
    """
    if settings.fod_max_jobs is not None:
        return settings.fod_max_jobs
    if processors is None:
        processors = len(os.sched_getaffinity(0))
    return min(_MOST_FETCHES, max(_FEWEST_FETCHES, 2 * processors))


def graph_limits(settings: MachineBuilding) -> GraphLimits:
    """Say how much of a run's graph is in memory."""
    ages = settings.graph.ages
    return GraphLimits(
        settings.graph.capacity or None, ages.tier1_age_seconds, ages.tier2_age_seconds, ages.tier3_age_seconds
    )


def _local(
    here: BuilderEntry | None, settings: BuildingSettings, slots: int | None, log_bytes: int
) -> BuilderEntry | None:
    entry = here or BuilderEntry(LOCAL, LOCAL, LocalBuilderConfig())
    config: LocalBuilderConfig = entry.config
    if config.log_bytes == LocalBuilderConfig().log_bytes:
        config = attrs.evolve(config, log_bytes=log_bytes)
    given = next((each for each in (slots, config.slots, settings.local_max_jobs) if each is not None), None)
    return None if given == 0 else attrs.evolve(entry, config=attrs.evolve(config, slots=given))


def _address(config: Any) -> str | None:
    uri = getattr(config, "uri", None)
    return uri if isinstance(uri, str) else None

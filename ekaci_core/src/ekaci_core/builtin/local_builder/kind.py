"""The builder type ``local``: how it is configured, probed and opened."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from ekaci_core.api import PluginContext, System
from ekaci_core.builtin.local_builder.builder import LocalBuilder
from ekaci_core.builtin.local_builder.command import hook_options
from ekaci_core.builtin.local_builder.memory import builds_in_daemon, find_counters
from ekaci_core.logs import LOG_BYTES
from ekaci_core.model.errors import UsageFault
from ekaci_core.nix.settings import NixSettings
from ekaci_core.nix.versions import Access, probe

_NIX_DEFAULT_JOBS = 1


@attrs.frozen
class LocalBuilderConfig:
    """Configuration of the local builder; every key may be left out.

    Attributes:
        slots: builds at once; otherwise Nix's ``max-jobs`` where somebody raised it, else one for each processor.
        systems: platforms to build for; otherwise what Nix says of this machine.
        features: system features to offer; otherwise what Nix says of this machine.
        log_bytes: so much of each build's log is kept at most, its head and its end.
    """

    slots: int | None = None
    systems: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    log_bytes: int = LOG_BYTES


class LocalBuilderType:
    """Registers the local builder."""

    name = "local"
    config = LocalBuilderConfig

    @asynccontextmanager
    async def open(self, config: LocalBuilderConfig, context: PluginContext) -> AsyncIterator[LocalBuilder]:
        """Read Nix's settings, see that the store answers, and open the builder.

        Raises:
            InfrastructureFault: Nix is missing, or its store or daemon does not answer.
            UsageFault: the configuration asks for no slot at all.
        """
        if config.slots is not None and config.slots < 1:
            raise UsageFault("must be at least 1", where="builders.slots", do="leave it out for one per processor")
        nix = await probe(context.environment)
        arguments = hook_options() if nix.access is Access.DIRECT else ()
        yield attrs.evolve(_builder(config, nix.settings, context.environment), arguments=arguments)


def _builder(config: LocalBuilderConfig, settings: NixSettings, environment: Mapping[str, str]) -> LocalBuilder:
    systems = settings.systems if config.systems is None else frozenset(map(System.parse, config.systems))
    features = settings.system_features if config.features is None else frozenset(config.features)
    slots = config.slots
    if slots is None:
        slots = settings.max_jobs if settings.max_jobs > _NIX_DEFAULT_JOBS else len(os.sched_getaffinity(0))
    return LocalBuilder(
        name="local",
        systems=systems,
        features=features,
        slots=slots,
        environment=environment,
        counters=find_counters(daemon=builds_in_daemon(settings.store, environment)),
        log_bytes=config.log_bytes,
    )

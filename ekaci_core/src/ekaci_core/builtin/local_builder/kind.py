"""The builder type ``local``: how it is configured, probed and opened."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from ekaci_core.api import InfrastructureFault, PluginContext, System
from ekaci_core.builtin.local_builder.builder import LocalBuilder
from ekaci_core.model.errors import UsageFault
from ekaci_core.nix.settings import NixSettings, parse_settings
from ekaci_core.process.faults import ProgramMissing
from ekaci_core.process.plain import plain_text
from ekaci_core.process.running import run

_NIX_DEFAULT_JOBS = 1


@attrs.frozen
class LocalBuilderConfig:
    """Configuration of the local builder; every key may be left out.

    Attributes:
        slots: builds at once; otherwise Nix's ``max-jobs`` where somebody raised it, else one for each processor.
        systems: platforms to build for; otherwise what Nix says of this machine.
        features: system features to offer; otherwise what Nix says of this machine.
    """

    slots: int | None = None
    systems: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None


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
        settings = parse_settings(await _ask(["nix", "show-config", "--json"], context.environment))
        await _ask(["nix", "store", "ping"], context.environment)
        yield _builder(config, settings, context.environment)


def _builder(config: LocalBuilderConfig, settings: NixSettings, environment: Mapping[str, str]) -> LocalBuilder:
    systems = settings.systems if config.systems is None else frozenset(map(System.parse, config.systems))
    features = settings.system_features if config.features is None else frozenset(config.features)
    slots = config.slots
    if slots is None:
        slots = settings.max_jobs if settings.max_jobs > _NIX_DEFAULT_JOBS else len(os.sched_getaffinity(0))
    return LocalBuilder(name="local", systems=systems, features=features, slots=slots, environment=environment)


async def _ask(command: list[str], environment: Mapping[str, str]) -> bytes:
    config = "experimental-features = nix-command"
    given = environment.get("NIX_CONFIG", "")
    try:
        done = await run(command, env={**environment, "NIX_CONFIG": f"{given}\nextra-{config}"})
    except ProgramMissing as missing:
        raise InfrastructureFault("Nix was not found", where="PATH", do="install Nix 2.8 or newer") from missing
    if done.status != 0:
        said = plain_text(done.stderr).strip().removeprefix("error: ") or f"exit status {done.status}"
        raise InfrastructureFault(
            f"Nix does not answer: {said}",
            where=" ".join(command),
            do="run that command: the store, or the daemon in front of it, must be reachable",
        )
    return done.stdout

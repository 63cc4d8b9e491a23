"""The builder type ``daemon``: how it is configured and opened."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import anyio
import attrs

from ekaci_builder_daemon.builder import DaemonBuilder
from ekaci_builder_daemon.connection import ConnectionLost
from ekaci_builder_daemon.hook import Hook
from ekaci_builder_daemon.operations import Greeting, Options
from ekaci_builder_daemon.pool import Pool
from ekaci_builder_daemon.protocol import Trust
from ekaci_builder_daemon.wire import Unreadable
from ekaci_core.api import InfrastructureFault, PluginContext, System, UsageFault

_CONFIG: Final = "--extra-experimental-features", "nix-command"
_STATE_DIR: Final = "/nix/var/nix"
_NIX_DEFAULT_JOBS: Final = 1


@attrs.frozen
class DaemonBuilderConfig:
    """Configuration of the builder; every key may be left out.

    Attributes:
        socket: path of the daemon's socket; otherwise Nix's own, or ``NIX_DAEMON_SOCKET_PATH``.
        max_jobs: builds at once; otherwise Nix's ``max-jobs`` where somebody raised it, else one for each processor.
        systems: platforms to build for; otherwise what Nix says of this machine.
        features: system features to offer; otherwise what Nix says of this machine.
        options: settings of Nix for the builds, by name; most of them count only if the daemon trusts its client.
    """

    socket: str | None = None
    max_jobs: int | None = None
    systems: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)


class DaemonBuilderType:
    """Registers the builder."""

    name = "daemon"
    config = DaemonBuilderConfig

    @asynccontextmanager
    async def open(self, config: DaemonBuilderConfig, context: PluginContext) -> AsyncIterator[DaemonBuilder]:
        """Greet the daemon, read Nix's settings, and open the builder.

        Raises:
            InfrastructureFault: there is no daemon, it lets nobody in, or is too old or too new to be understood.
            UsageFault: the configuration asks for a negative number of builds.
        """
        if config.max_jobs is not None and config.max_jobs < 0:
            raise UsageFault("must not be negative", where="builders.max_jobs", do="write 1 or more, or leave it out")
        path = _socket(config, context.environment)
        with closing(Pool(path, context.clock, Hook(path, context))) as pool:
            greeting = await _greeted(pool, path)
            settings = await _settings(context)
            context.log.info("daemon_greeted", nix=greeting.nix, protocol=str(greeting.version), trust=greeting.trust)
            if config.options and greeting.trust == Trust.NOT_TRUSTED:
                context.log.warning("daemon_trusts_not", do="add this user to trusted-users, or leave `options` out")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pool.tidy)
                try:
                    yield _builder(config, settings, pool, context)
                finally:
                    tasks.cancel_scope.cancel()


def _builder(
    config: DaemonBuilderConfig, settings: Mapping[str, Any], pool: Pool, context: PluginContext
) -> DaemonBuilder:
    systems = config.systems or (str(settings.get("system", "")), *settings.get("extra-platforms", ()))
    features = settings.get("system-features", ()) if config.features is None else config.features
    slots = config.max_jobs
    if slots is None:
        raised = settings.get("max-jobs", 0)
        slots = raised if isinstance(raised, int) and raised > _NIX_DEFAULT_JOBS else len(os.sched_getaffinity(0))
    cores = settings.get("cores", 0)
    options = Options(
        cores=cores if isinstance(cores, int) else 0,
        keep_failed=settings.get("keep-failed") is True,
        fallback=settings.get("fallback") is True,
        substitute=settings.get("substitute") is not False,
        more=dict(config.options),
    )
    return DaemonBuilder(
        "daemon", frozenset(map(System.parse, systems)), frozenset(features), slots, options, pool, context
    )


def _socket(config: DaemonBuilderConfig, environment: Mapping[str, str]) -> Path:
    state = environment.get("NIX_STATE_DIR") or _STATE_DIR
    return Path(
        config.socket or environment.get("NIX_DAEMON_SOCKET_PATH") or f"{state}/daemon-socket/socket"
    ).expanduser()


async def _greeted(pool: Pool, path: Path) -> Greeting:
    try:
        async with pool.connection() as (connection, _):
            assert connection.greeting is not None  # noqa: S101 - it is open
            return connection.greeting
    except ConnectionLost as lost:
        raise InfrastructureFault(
            f"no connection to the Nix daemon: {lost}",
            where=str(path),
            do="start nix-daemon, and see that `allowed-users` and the socket's folder let this user in",
        ) from None
    except Unreadable as unreadable:
        raise InfrastructureFault(
            f"the Nix daemon was not understood: {unreadable}",
            where=str(path),
            do="see that it is a Nix daemon's socket, of Nix 2.4 or newer; `local` builds without it",
        ) from None


async def _settings(context: PluginContext) -> dict[str, Any]:
    said = ""
    for words in (("config", "show"), ("show-config",)):  # the name since 2.20, and the one before
        done = await context.nix.run(["nix", *_CONFIG, *words, "--json"])
        if done.status == 0:
            try:
                return {name: entry["value"] for name, entry in json.loads(done.stdout).items() if "value" in entry}
            except (ValueError, TypeError, AttributeError):
                said = "its answer was not understood"
                continue
        said = said or done.stderr.strip().partition("\n")[0]
    raise InfrastructureFault(f"Nix does not say its settings: {said}", where="nix config show", do="run that command")

"""``ekaci serve``, which is ``eka-ci-server``."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping

import anyio
import click

from ekaci_core.bus import Wakeup
from ekaci_core.cli.server_flags import ServerFlags, server_flags
from ekaci_core.cli.streams import say
from ekaci_core.config.secret_variables import secret_variables
from ekaci_core.config.server import ServerConfig
from ekaci_core.registry import Registry, load_registry
from ekaci_core.server.configuring import configuration
from ekaci_core.server.serving import serve as run_server
from ekaci_core.telemetry import LOG, configure_logs

_SIGNALLED = 128
_TO_STOP_SECONDS = 120.0
"""Beside the grace of builds: for what is wanted at forges, and for plugins to close."""
_AT_ONCE_SECONDS = 10.0
"""After a second signal."""


@click.command()
@server_flags
def serve(*, flags: ServerFlags) -> int:
    """Run the server: take webhooks, review pull requests, and report on them.

    SIGTERM and Ctrl-C end it in order: what is being built may end within `shutdown_grace_seconds`. A second signal
    ends it at once. SIGHUP has forges that are polled asked now.
    """
    configure_logs(sys.stderr, level=logging.INFO)
    environment = dict(os.environ)
    registry = load_registry(environment, LOG)
    config = configuration(environment, registry, LOG, file=flags.file, flags=flags.given)
    for name in secret_variables(config, environment):
        del os.environ[name]  # whatever is started from now on does not inherit it
    return anyio.run(_served, config, registry, environment)


class _Overdue:
    """Ends the process where stopping takes too long: what is known is in the database, whatever a plugin waits for."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def begin(self, seconds: float, status: int) -> None:
        """Give so many seconds; a second time it counts anew."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._leave, [seconds, status])
        self._timer.daemon = True
        self._timer.start()

    def _leave(self, seconds: float, status: int) -> None:
        LOG.warning("stop_overdue", after_seconds=seconds, do="look for a plugin_left_behind above")
        os._exit(status)


async def _served(config: ServerConfig, registry: Registry, environment: Mapping[str, str]) -> int:
    stop = anyio.Event()
    received: list[int] = []
    overdue, poll = _Overdue(), Wakeup()

    async def watch(scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                if number == signal.SIGHUP:
                    poll.wake()
                    continue
                if received:
                    scope.cancel()
                patience = _AT_ONCE_SECONDS if received else config.shutdown_grace_seconds + _TO_STOP_SECONDS
                overdue.begin(patience, _SIGNALLED + int(number))
                received.append(int(number))
                stop.set()

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(watch, scope, name="signals")
            await run_server(
                config,
                registry,
                environment,
                log=LOG,
                stop=stop,
                listening=lambda url: say(f"listening at {url}"),
                poll=poll,
            )
        tasks.cancel_scope.cancel()
    return _SIGNALLED + received[-1] if scope.cancelled_caught else 0

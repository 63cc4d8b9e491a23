"""The server from start to stop: what runs, in which order it begins, and in which order it ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import anyio
import anyio.abc
from starlette.routing import BaseRoute

from ekaci_core.api import Clock, EkaciError, Logger
from ekaci_core.bus import Wakeup
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.start import check_start
from ekaci_core.registry import Registry
from ekaci_core.registry.guard import leaves
from ekaci_core.server.addresses import addresses_of, check_names
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.composing import Services, opened
from ekaci_core.server.enduring import enduring
from ekaci_core.server.housekeeping import Housekeeping
from ekaci_core.server.sealing import sealing
from ekaci_core.server.service_manager import ServiceManager
from ekaci_core.server.socket_answers import SocketAnswers
from ekaci_core.server.socket_server import SocketServer
from ekaci_core.web import Front, Pulse, Readiness, Webhooks, WebServer, health_routes, store_check, web_app

FLUSH_SECONDS: Final = 10.0
"""How long what is wanted at forges may take to get there when the server stops."""


async def serve(
    config: ServerConfig,
    registry: Registry,
    environment: Mapping[str, str],
    *,
    log: Logger,
    stop: anyio.Event,
    listening: Callable[[str], None],
    poll: Wakeup | None = None,
    clock: Clock | None = None,
) -> None:
    """Run a server until ``stop`` is set, and end it in order.

    Args:
        config: checked already.
        registry: knows the types of everything that plugins bring.
        environment: this process's own.
        log: what operators read.
        stop: asks the server to end.
        listening: told the address once requests are answered.
        poll: woken where forges that are polled are to be asked at once.
        clock: time; the machine's own unless given.

    Raises:
        UsageFault: it cannot start as it is configured.
        InfrastructureFault: something that it needs is not there when it starts.
    """
    for problem in (*config.warnings, *check_start(config), *await check_names(config, addresses_of(config))):
        log.warning("configuration", problem=str(problem))
    manager = ServiceManager.of(environment, log)
    try:
        async with opened(config, registry, environment, clock=clock or SystemClock(), log=log) as services:
            await _run(services, stop, manager, listening, poll or Wakeup())
    except BaseExceptionGroup as group:
        faults = leaves(group)
        if all(isinstance(each, EkaciError) for each in faults):
            raise faults[0] from None
        raise


async def _run(
    services: Services, stop: anyio.Event, manager: ServiceManager, listening: Callable[[str], None], asked: Wakeup
) -> None:
    pulse = Pulse(services.clock, services.log)
    readiness = Readiness({"store": store_check(services.store), "work": pulse.check}, services.clock)
    web = WebServer(
        web_app(_routes(services, readiness), services.log),
        services.config.web.address,
        services.config.web.port,
        log=services.log,
    )
    front = Front(web, beside=pulse.watch, last=services.store.settle)
    log = services.log
    async with sealing(services.events, services.places.logs, log), anyio.create_task_group() as lasting:
        lasting.start_soon(_keeping(services).run, name="housekeeping")
        lasting.start_soon(enduring, "builds", services.builds.run, log, name="builds")
        lasting.start_soon(enduring, "publisher", services.publisher.run, log, name="publisher")
        async with anyio.create_task_group() as working:
            answers = SocketAnswers.of(services, working, lambda: readiness.stopping)
            socket = SocketServer(services.config.socket_path, answers.answer, services.log)
            await lasting.start(socket.run, name="socket")
            await services.delivering.pushing.resume()
            for loop in services.delivering.pushing.loops:
                working.start_soon(enduring, f"cache {loop.rule.id}", loop.run, log, name=f"cache {loop.rule.id}")
            working.start_soon(enduring, "reviews", services.reviewing.run, log, name="reviews")
            working.start_soon(enduring, "hooks", services.hooks.run, log, name="hooks")
            working.start_soon(services.intake.run, name="intake")
            working.start_soon(services.reconciling.run, name="reconciling")
            working.start_soon(services.polling.run, name="polling")
            working.start_soon(_poll_when_asked, services, asked, name="polling when asked")
            lasting.start_soon(pulse.beat, name="pulse")
            await lasting.start(front.run, name="web")
            services.log.info("server_ready", url=web.url)
            listening(web.url)
            manager.tell("READY=1")
            await stop.wait()
            await _wind_down(services, readiness, manager)
            working.cancel_scope.cancel()
        await services.publisher.flush(FLUSH_SECONDS)
        web.stop()
        lasting.cancel_scope.cancel()
    services.log.info("server_stopped")


async def _poll_when_asked(services: Services, asked: Wakeup) -> None:
    while True:
        if await asked.wait(math.inf):
            services.polling.ask_now()


def _keeping(services: Services) -> Housekeeping:
    return Housekeeping(
        services.store,
        services.places,
        services.config.retention,
        services.clock,
        services.log,
        services.parts.mirrors,
        services.delivering.pushing,
    )


async def _wind_down(services: Services, readiness: Readiness, manager: ServiceManager) -> None:
    """Take nothing new, and let what is built, pushed and run of it end; reviews go on with it until then."""
    manager.tell("STOPPING=1")
    readiness.stop()
    grace = services.config.shutdown_grace_seconds
    services.log.info("server_stopping", grace_seconds=grace)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(services.builds.drain, grace)
        tasks.start_soon(services.delivering.pushing.drain, grace)
        tasks.start_soon(services.hooks.drain, grace)


def _routes(services: Services, readiness: Readiness) -> list[BaseRoute]:
    webhooks = Webhooks(
        services.store,
        services.forges.paths,
        clock=services.clock,
        log=services.log,
        stored=partial(asyncio.get_running_loop().call_soon_threadsafe, services.arrivals.wake),
        stopping=lambda: readiness.stopping,
    )
    return [*webhooks.routes(), *health_routes(readiness)]

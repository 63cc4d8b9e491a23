from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import attrs
import httpx
import pytest
from starlette.routing import BaseRoute

from ekaci_core.registry.guarded_forge import GuardedForge
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.store import Store, open_store
from ekaci_core.testing.scripted_forge import ScriptedForge
from ekaci_core.web import Readiness, Webhooks, WebServer, health_routes, web_app
from ekaci_core.web.bodies import BodyRoom

PATH = "/scripted/webhook"
EMPTY = "/empty/webhook"


class Machine:
    """The machine's clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


@attrs.define
class Lines:
    """A log that a test reads."""

    events: list[tuple[str, dict[str, object]]] = attrs.field(factory=list)

    def debug(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))

    def info(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))


@attrs.define
class Site:
    """A real server with webhooks and health, its store and its log."""

    server: WebServer
    client: httpx.AsyncClient
    store: Store
    readiness: Readiness
    log: Lines
    news: list[None]


Serve = Callable[..., AbstractAsyncContextManager[Site]]


@asynccontextmanager
async def running(server: WebServer) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        yield
        server.stop()


@asynccontextmanager
async def _serve(
    *forges: ScriptedForge,
    room: BodyRoom | None = None,
    extra: Iterable[BaseRoute] = (),
    store: Store | None = None,
    readiness: Readiness | None = None,
    grace_seconds: float = 1,
) -> AsyncIterator[Site]:
    log, news = Lines(), list[None]()
    ready = readiness or Readiness({}, Machine())
    async with open_store(None) as opened:
        inbox = store or opened
        given: Sequence[OpenForge] = [
            OpenForge("scripted", f"app{number}", GuardedForge(forge, who="scripted", log=log))
            for number, forge in enumerate(forges or (ScriptedForge(),))
        ]
        webhooks = Webhooks(
            inbox,
            {PATH: given, EMPTY: ()},
            clock=Machine(),
            log=log,
            stored=lambda: news.append(None),
            stopping=lambda: ready.stopping,
            room=room,
        )
        app = web_app([*webhooks.routes(), *health_routes(ready), *extra], log)
        server = WebServer(app, "127.0.0.1", 0, log=log, grace_seconds=grace_seconds)
        async with running(server), httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            yield Site(server, client, inbox, ready, log, news)


@pytest.fixture
def serve() -> Serve:
    return _serve


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with _serve() as made:
        yield made


@pytest.fixture
def log() -> Lines:
    return Lines()

"""A GitHub that says what a test wants, over real HTTP on loopback, and notes what it was asked."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import attrs
import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ekaci_core.api import CredentialUse, Lease, PluginContext, Secret
from ekaci_core.testing.builders import plugin_context
from ekaci_forge_github.config import GitHubAppConfig
from ekaci_forge_github.forge import GitHubForge
from ekaci_forge_github.kind import GitHubType

APP_ID = "4711"
INSTALLATION = 7
CANARY = "ghs_canary"
_PATIENCE_SECONDS = 30

OpenForge = Callable[..., AbstractAsyncContextManager[GitHubForge]]
"""Opens the forge; arguments change its configuration."""


@attrs.frozen
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    fields: Mapping[str, str]
    document: Any


@attrs.frozen
class Says:
    """An answer. ``document`` is sent as JSON, ``raw`` as it is; with ``hang`` it never comes.

    With ``echo`` it says back what it was sent, secrets included.
    """

    document: Any = None
    status: int = 200
    fields: Mapping[str, str] = attrs.field(factory=dict)
    raw: bytes | None = None
    hang: bool = False
    echo: bool = False


class SmallGitHub:
    """What was prepared is answered in its turn, the last for ever; anything else is 404."""

    def __init__(self, url: str, key: rsa.RSAPrivateKey) -> None:
        self.url = url
        self.host = url.removeprefix("http://")
        self.seen: list[Asked] = []
        self.pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self._public = key.public_key()
        self._prepared: dict[tuple[str, str], list[Says]] = {}
        self.tokens = 0
        self.token_seconds = 3600.0
        self.installed = True

    def on(self, method: str, path: str, *answers: Says) -> None:
        self._prepared[method, path] = list(answers)

    def asked(self, method: str, path: str = "") -> list[Asked]:
        return [each for each in self.seen if each.method == method and (not path or each.path == path)]

    def answer(self, asked: Asked) -> Says:
        prepared = self._prepared.get((asked.method, asked.path))
        if prepared:
            return prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if asked.path.endswith("/installation") and self.installed:
            self.check_signed(asked)
            return Says({"id": INSTALLATION})
        if asked.path == f"/app/installations/{INSTALLATION}/access_tokens":
            self.check_signed(asked)
            return self.token()
        return Says({"message": "Not Found"}, 404)

    def token(self) -> Says:
        self.tokens += 1
        expiry = datetime.fromtimestamp(time.time() + self.token_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Says({"token": f"{CANARY}{self.tokens}", "expires_at": expiry}, 201)

    def check_signed(self, asked: Asked) -> None:
        """https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app"""
        signed = asked.fields["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(signed, self._public, algorithms=["RS256"])
        now = time.time()
        assert claims["iss"] == APP_ID
        assert now - 65 < claims["iat"] <= now - 55
        assert now < claims["exp"] <= now + 600


@attrs.define
class Notes:
    """A logger that keeps what it is told."""

    lines: list[str] = attrs.field(factory=list)

    def debug(self, event: str, /, **fields: object) -> None:
        self.lines.append(f"{event} {fields}")

    def info(self, event: str, /, **fields: object) -> None:
        self.lines.append(f"{event} {fields}")

    def warning(self, event: str, /, **fields: object) -> None:
        self.lines.append(f"{event} {fields}")


@attrs.define
class MovableClock:
    """The machine's clock, and as much later as a test wants."""

    ahead: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@attrs.define
class Source:
    """A credential source; ``leases`` or faults in their turn, the last for ever."""

    leases: list[Lease | Exception]
    asked: int = 0

    async def resolve(self) -> Lease:
        self.asked += 1
        found = self.leases.pop(0) if len(self.leases) > 1 else self.leases[0]
        if isinstance(found, Exception):
            raise found
        return found


@attrs.frozen
class Resolver:
    """Opens the one source."""

    source: Source

    async def open(self, use: CredentialUse, *, purpose: str) -> Source:
        assert use.source == "test"
        assert purpose
        return self.source


def lease(pem: str, app_id: str = APP_ID, expires_at: float | None = None) -> Lease:
    return Lease({"GITHUB_APP_ID": Secret(app_id), "GITHUB_APP_PRIVATE_KEY": Secret(pem)}, expires_at)


@pytest.fixture(scope="session")
def app_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@attrs.define
class Served:
    """The server of all tests, and the GitHub that it is for the one that runs."""

    url: str
    small: SmallGitHub | None = None

    async def answer(self, request: Request) -> Response:
        small = self.small
        assert small is not None
        body = await request.body()
        asked = Asked(
            request.method,
            request.scope["path"],
            dict(request.query_params),
            dict(request.headers),
            json.loads(body) if body else None,
        )
        small.seen.append(asked)
        says = small.answer(asked)
        if says.hang:
            await request.receive()  # until the other side has gone
        if says.echo:
            says = attrs.evolve(says, document={"message": f"you sent {asked.fields['authorization']}"})
        if says.raw is not None:
            return Response(says.raw, says.status, dict(says.fields), "application/vnd.github.raw+json; charset=utf-8")
        content = json.dumps(says.document) if says.status not in (204, 304) else b""
        return Response(content, says.status, dict(says.fields), "application/json; charset=utf-8")


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}")
        app = Starlette(routes=[Route("/{path:path}", served.answer, methods=["GET", "POST", "PATCH"])])
        config = uvicorn.Config(app, log_config=None, ws="none", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield served
        server.should_exit = True
        thread.join(_PATIENCE_SECONDS)


@pytest.fixture
def github(served: Served, app_key: rsa.RSAPrivateKey) -> SmallGitHub:
    served.small = SmallGitHub(served.url, app_key)
    return served.small


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def source(github: SmallGitHub) -> Source:
    return Source([lease(github.pem)])


@pytest.fixture
def context(notes: Notes, clock: MovableClock, source: Source) -> PluginContext:
    return attrs.evolve(plugin_context({}), clock=clock, log=notes, credentials=Resolver(source))


@pytest.fixture
def open_forge(github: SmallGitHub, context: PluginContext) -> OpenForge:
    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[GitHubForge]:
        fields: dict[str, Any] = {"id": "main", "credentials": CredentialUse("test"), "base_url": github.url}
        async with GitHubType().open(GitHubAppConfig(**(fields | changes)), context) as forge:
            yield forge

    return opened


@pytest.fixture
async def forge(open_forge: OpenForge) -> AsyncIterator[GitHubForge]:
    async with open_forge() as forge:
        yield forge

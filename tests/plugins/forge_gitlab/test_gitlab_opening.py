"""What a table may say, and what is said of it where it cannot be used."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.plugins.forge_gitlab.conftest import OpenForge, Scene
from tests.standins.certificates import certificate

from ekaci_core.api import (
    CredentialUse,
    HeldCredentials,
    InfrastructureFault,
    Lease,
    PluginContext,
    Secret,
    UsageFault,
)
from ekaci_core.registry import Kind, load_registry
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_gitlab.config import Addresses, GitLabConfig
from ekaci_forge_gitlab.kind import GitLabType

pytestmark = pytest.mark.anyio

WHERE = "gitlab_instances.main"


def addresses(domain: str, **changes: Any) -> Addresses:
    return Addresses.of(GitLabConfig(domain=domain, **changes), where=WHERE)


@attrs.frozen
class Source:
    """A source of credentials that yields these."""

    secrets: dict[str, str]

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldCredentials:
        assert (use.source, purpose) == ("test", WHERE)
        return self

    async def resolve(self) -> Lease:
        return Lease({name: Secret(text) for name, text in self.secrets.items()})

    async def renew(self, refused: Lease | None = None) -> Lease:
        del refused
        return await self.resolve()


async def test_it_is_a_plugin() -> None:
    registry = load_registry({}, RecordingLogger())
    assert registry.forge_type("gitlab").table == "gitlab_instances"
    assert registry.forge_type("gitlab").webhook_path == "/gitlab/webhook"
    assert "gitlab" in registry.names(Kind.FORGE)


# --- addresses


async def test_addresses_of_a_gitlab() -> None:
    found = addresses("GitLab.com")
    assert found.host == "gitlab.com"
    assert found.api == "https://gitlab.com/api/v4"
    assert found.graphql == "https://gitlab.com/api/graphql"
    assert addresses("gitlab.example.com", port=8443).host == "gitlab.example.com:8443"
    assert addresses("gitlab.example.com:8443") == addresses("gitlab.example.com", port=8443)
    assert addresses("gitlab.example.com", port=443) == addresses("gitlab.example.com")
    assert addresses("127.0.0.1:8080", scheme="http").web == "http://127.0.0.1:8080"
    assert addresses("localhost", scheme="http", port=80).web == "http://localhost"


@pytest.mark.parametrize(
    "domain",
    ["", "https://gitlab.com", "gitlab.com/", "gitlab.com/gitlab", "a b", "me@gitlab.com", "x:y", "-x", "a\nb"],
)
async def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(UsageFault) as caught:
        addresses(domain)
    assert caught.value.where == f"{WHERE}.domain"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"scheme": "ftp"}, "scheme"),
        ({"scheme": "http"}, "scheme"),
        ({"port": 0}, "port"),
        ({"port": 70_000}, "port"),
    ],
)
async def test_what_cannot_be_reached_safely_is_refused(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(UsageFault) as caught:
        addresses("gitlab.example.com", **changes)
    assert caught.value.where == f"{WHERE}.{key}"


async def test_two_ports_are_one_too_many() -> None:
    with pytest.raises(UsageFault, match="another port"):
        addresses("gitlab.example.com:1", port=2)


# --- tokens


@pytest.mark.parametrize("name", ["GITLAB_TOKEN", "MY_TOKEN"])
async def test_a_token_by_its_name_or_the_only_one(
    scene: Scene, open_forge: OpenForge, context: PluginContext, name: str
) -> None:
    config = GitLabConfig(id="main", domain=scene.gitlab.host, scheme="http", credentials=CredentialUse("test"))
    source = Source({name: f" {scene.token.value}\n"})
    async with GitLabType().open(config, attrs.evolve(context, credentials=source)) as forge:
        assert [each.path for each in await forge.repositories()] == [scene.place.path]
    async with open_forge() as forge:
        assert [each.path for each in await forge.repositories()] == [scene.place.path]


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({}, "hold no GITLAB_TOKEN"),
        ({"A": "1", "B": "2"}, "hold no GITLAB_TOKEN"),
        ({"GITLAB_TOKEN": " "}, "is empty"),
        ({"GITLAB_TOKEN": "canary one"}, "is no token"),
        ({"GITLAB_TOKEN": "canary\nx: y"}, "is no token"),
        ({"GITLAB_TOKEN": "canaryé"}, "is no token"),
    ],
)
async def test_what_is_no_token_is_said_at_start_and_not_shown(
    context: PluginContext, secrets: dict[str, str], said: str
) -> None:
    config = GitLabConfig(id="main", domain="gitlab.com", credentials=CredentialUse("test"))
    with pytest.raises(UsageFault, match=said) as caught:
        async with GitLabType().open(config, attrs.evolve(context, credentials=Source(secrets))):
            pass
    assert "canary" not in repr(caught.value)


async def test_a_table_needs_one_token(context: PluginContext) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "needs a token"),
        ({"token": Secret("a"), "credentials": CredentialUse("test")}, "both"),
    ]
    for changes, said in cases:
        with pytest.raises(UsageFault, match=said):
            async with GitLabType().open(GitLabConfig(id="main", domain="gitlab.com", **changes), context):
                pass


async def test_a_token_goes_in_a_header_and_is_not_logged(
    scene: Scene, open_forge: OpenForge, log: RecordingLogger
) -> None:
    async with open_forge() as forge:
        await forge.repositories()
        access = await forge.clone_access(scene.repository)
        scene.token.revoked = True
        with pytest.raises(InfrastructureFault, match="401") as caught:
            await forge.repositories()
    (seen, *_) = scene.gitlab.seen
    assert seen.headers["authorization"] == f"Bearer {scene.token.value}"
    assert scene.token.value not in f"{seen.path}{seen.query}"
    assert access.url == f"{scene.gitlab.url}/octo/tools/place.git"
    assert scene.token.value not in f"{access} {caught.value!r} {log.lines} {forge!r}"


# --- certificates


@contextmanager
def over_tls(both: Path) -> Iterator[int]:
    """A GitLab with a certificate that no machine believes, and one project."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'[{"path_with_namespace": "a/b"}]'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(both)
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        server.socket = trust.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


async def test_a_certificate_of_ones_own_is_believed_where_it_is_named(context: PluginContext, tmp_path: Path) -> None:
    shown, both = certificate(tmp_path)
    with over_tls(both) as port:
        config = GitLabConfig(id="main", domain="127.0.0.1", port=port, token=Secret("a"), ca_file=str(shown))
        async with GitLabType().open(config, context) as forge:
            assert [each.path for each in await forge.repositories()] == ["a/b"]
        async with GitLabType().open(attrs.evolve(config, ca_file=None), context) as forge:
            with pytest.raises(InfrastructureFault, match="certificate"):
                await forge.repositories()


@pytest.mark.parametrize("content", [None, "nothing"])
async def test_a_file_that_holds_no_certificate_is_said_at_start(
    context: PluginContext, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    config = GitLabConfig(id="main", domain="gitlab.com", token=Secret("a"), ca_file=str(path))
    with pytest.raises(UsageFault) as caught:
        async with GitLabType().open(config, context):
            pass
    assert caught.value.where == f"{WHERE}.ca_file"

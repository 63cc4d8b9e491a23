"""The type: how it is configured, opened and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.plugins.forge_gitea.conftest import OpenForge, Small

from ekaci_core.api import (
    Branch,
    CredentialUse,
    ForgeCapability,
    HeldCredentials,
    Lease,
    Permissions,
    PluginContext,
    RepositoryId,
    Secret,
    UsageFault,
)
from ekaci_core.config.entries import Entries
from ekaci_core.config.load import server_converter
from ekaci_core.registry import load_registry
from ekaci_core.server.configuring import shapes_of
from ekaci_core.telemetry import LOG
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_gitea import plugin
from ekaci_forge_gitea.config import Addresses, GiteaConfig
from ekaci_forge_gitea.forge import GiteaForge
from ekaci_forge_gitea.kind import GiteaType

pytestmark = pytest.mark.anyio


@attrs.define
class Given:
    """Credentials with these names."""

    secrets: dict[str, str]

    async def open(self, use: CredentialUse, *, purpose: str) -> HeldCredentials:
        assert use.source == "given"
        assert purpose == "gitea_instances.main"
        return self

    async def resolve(self) -> Lease:
        return Lease({name: Secret(value) for name, value in self.secrets.items()})

    async def renew(self, refused: Lease | None = None) -> Lease:
        assert refused is not None
        return await self.resolve()


def test_the_plugin_registers_one_type() -> None:
    (found,) = plugin.ekaci_register_forge_types()
    assert isinstance(found, GiteaType)
    assert (found.name, found.table, found.webhook_path) == ("gitea", "gitea_instances", "/gitea/webhook")


def test_it_can_do_what_gitea_can() -> None:
    can = {ForgeCapability.REACTIONS, ForgeCapability.NEWS, ForgeCapability.WEBHOOK_SETUP}
    assert GiteaForge.capabilities == can


@pytest.mark.parametrize(
    ("fields", "api", "host"),
    [
        ({"domain": "gitea.example.org"}, "https://gitea.example.org/api/v1", "gitea.example.org"),
        ({"domain": "Gitea.Example.ORG"}, "https://gitea.example.org/api/v1", "gitea.example.org"),
        ({"domain": "g.example:3000"}, "https://g.example:3000/api/v1", "g.example:3000"),
        ({"domain": "g.example", "port": 3000}, "https://g.example:3000/api/v1", "g.example:3000"),
        ({"domain": "g.example", "port": 443}, "https://g.example/api/v1", "g.example"),
        ({"domain": "g.example:80", "scheme": "http"}, "http://g.example/api/v1", "g.example"),
        ({"domain": "g.example", "path": "/git/"}, "https://g.example/git/api/v1", "g.example"),
    ],
)
def test_addresses(fields: dict[str, Any], api: str, host: str) -> None:
    found = Addresses.of(GiteaConfig(**fields), where="gitea_instances.main")
    assert (found.api, found.host) == (api, host)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"domain": ""}, "domain"),
        ({"domain": "https://g.example"}, "domain"),
        ({"domain": "g.example/git"}, "domain"),
        ({"domain": "user@g.example"}, "domain"),
        ({"domain": "g.example:no"}, "domain"),
        ({"domain": "-x"}, "domain"),
        ({"domain": "g.example", "port": 70_000}, "port"),
        ({"domain": "g.example:1", "port": 2}, "port"),
        ({"domain": "g.example", "scheme": "ftp"}, "scheme"),
        ({"domain": "g.example", "path": "/../x"}, "path"),
        ({"domain": "g.example", "path": "/a?b"}, "path"),
    ],
)
def test_what_is_no_address_is_refused_with_its_place(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageFault) as caught:
        Addresses.of(GiteaConfig(**fields), where="gitea_instances.main")
    assert caught.value.where == f"gitea_instances.main.{where}"
    assert caught.value.do


async def test_a_token_from_a_source(context: PluginContext, small: Small) -> None:
    for names in (
        {"GITEA_TOKEN": small.token},
        {"anything": small.token},
        {"GITEA_TOKEN": f" {small.token}\n", "b": "c"},
    ):
        inside = attrs.evolve(context, credentials=Given(names))
        config = GiteaConfig(id="main", domain=small.gitea.host, scheme="http", credentials=CredentialUse("given"))
        async with GiteaType().open(config, inside) as forge:
            assert await forge.pull_request(small.id, 1) is None


@pytest.mark.parametrize(
    "secrets", [{}, {"GITEA_TOKEN": ""}, {"a": "b", "c": "d"}, {"GITEA_TOKEN": "two words"}, {"GITEA_TOKEN": "é"}]
)
async def test_a_source_without_a_token_is_refused_at_the_start(
    context: PluginContext, secrets: dict[str, str]
) -> None:
    config = GiteaConfig(id="main", domain="g.example", credentials=CredentialUse("given"))
    with pytest.raises(UsageFault) as caught:
        async with GiteaType().open(config, attrs.evolve(context, credentials=Given(secrets))):
            pass
    assert caught.value.where == "gitea_instances.main.credentials"


async def test_one_token_is_needed_and_no_more(context: PluginContext) -> None:
    both: dict[str, Any] = {"token": Secret("a"), "credentials": CredentialUse("given")}
    for fields in ({}, both):
        with pytest.raises(UsageFault) as caught:
            async with GiteaType().open(GiteaConfig(id="main", domain="g.example", **fields), context):
                pass
        assert caught.value.where == "gitea_instances.main"


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_certificates_that_cannot_be_read(context: PluginContext, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageFault) as caught:
        async with GiteaType().open(GiteaConfig(domain="g.example", token=Secret("a"), ca_file=file), context):
            pass
    assert caught.value.where == "gitea_instances.g.example.ca_file"


async def test_a_token_in_clear_is_warned_of(context: PluginContext, notes: RecordingLogger) -> None:
    for domain, warned in (("127.0.0.1:3000", False), ("localhost", False), ("gitea.internal", True)):
        notes.lines.clear()
        async with GiteaType().open(GiteaConfig(domain=domain, scheme="http", token=Secret("a")), context):
            assert any("sent_in_clear" in line for line in notes.lines) is warned


async def test_it_serves_what_it_is_configured_for(open_forge: OpenForge, small: Small) -> None:
    permitted = Permissions(allow_all=False, allowed_repos=("octo/*",), allowed_branches=("main",))
    async with open_forge(permissions=permitted) as forge:
        assert forge.serves(small.id)
        assert forge.serves(small.id, Branch("main"))
        assert not forge.serves(small.id, Branch("other"))
        assert not forge.serves(RepositoryId(small.gitea.host, "else/where"))
        assert not forge.serves(RepositoryId("elsewhere.example", "octo/place"))


def test_tables_are_read_strictly() -> None:
    converter = server_converter(shapes_of(load_registry({}, LOG)))
    table = {"domain": "g.example", "port": 3000, "token": "t", "ca_file": "/etc/ca.pem", "scheme": "http"}
    read = converter.structure(table, GiteaConfig)
    assert (read.port, read.ca_file, read.token) == (3000, Path("/etc/ca.pem"), Secret("t"))
    wrong: tuple[dict[str, object], ...] = (
        {"port": "3000"},
        {"domian": "x"},
        {"domain": 3},
        {"ca_file": "not/absolute"},
    )
    for change in wrong:
        entries = Entries(converter)
        assert entries.forges("gitea_instances", [{**table, **change}], GiteaConfig) == ()
        (fault,) = entries.faults
        assert next(iter(change)) in f"{fault.at} {fault.what}"

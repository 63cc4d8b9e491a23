"""The plugin as it is found, configured and opened; the key; faults of the network; secrets."""

from __future__ import annotations

import logging
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.plugins.forge_github.conftest import (
    APP_ID,
    CANARY,
    INSTALLATION,
    MovableClock,
    Notes,
    OpenForge,
    Says,
    SmallGitHub,
    Source,
    lease,
)
from tests.plugins.forge_github.payloads import pull_request

from ekaci_core.api import (
    ForgeCapability,
    InfrastructureFault,
    Lease,
    PluginContext,
    RepositoryId,
    Secret,
    UsageFault,
)
from ekaci_core.registry.catalogue import load_registry
from ekaci_core.registry.kinds import Kind
from ekaci_forge_github import plugin
from ekaci_forge_github.config import Addresses, GitHubAppConfig
from ekaci_forge_github.deliveries import Attempt, missing
from ekaci_forge_github.examination import EVENTS
from ekaci_forge_github.faults import ApiFault
from ekaci_forge_github.forge import GitHubForge
from ekaci_forge_github.keys import app_key_of
from ekaci_forge_github.kind import GitHubType
from ekaci_forge_github.transport import Transport

pytestmark = pytest.mark.anyio

PULL = "/repos/octo-org/Hello-World/pulls/2"
DELIVERIES = "/app/hook/deliveries"


@pytest.fixture
def here(github: SmallGitHub) -> RepositoryId:
    return RepositoryId.parse(github.host, "octo-org/Hello-World")


def test_ekaci_register_forge_types_brings_github(notes: Notes) -> None:
    (found,) = plugin.ekaci_register_forge_types()
    assert (found.name, found.table, found.webhook_path) == ("github", "github_apps", "/github/webhook")
    (entry,) = [each for each in entry_points(group="ekaci.plugins") if each.name == "forge-github"]
    assert entry.value == "ekaci_forge_github.plugin"
    registry = load_registry({}, notes)
    assert "github" in registry.names(Kind.FORGE)
    assert isinstance(registry.forge_type("github"), GitHubType)


def test_it_can_do_all_that_a_forge_can() -> None:
    assert GitHubForge.capabilities == set(ForgeCapability)


@pytest.mark.parametrize(
    ("base_url", "web", "host"),
    [
        ("https://api.github.com", "https://github.com", "github.com"),
        ("https://api.github.com/", "https://github.com", "github.com"),
        ("https://ghe.example.org/api/v3", "https://ghe.example.org", "ghe.example.org"),
        ("https://GHE.example.org:8443/api/v3/", "https://ghe.example.org:8443", "ghe.example.org:8443"),
        ("https://api.octo.ghe.com", "https://octo.ghe.com", "octo.ghe.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost:8080/api/v3", "http://localhost:8080", "localhost:8080"),
    ],
)
def test_addresses_follow_from_one(base_url: str, web: str, host: str) -> None:
    found = Addresses.of(base_url)
    assert (found.api, found.web, found.host) == (base_url.rstrip("/"), web, host)


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "github.com",
        "ftp://github.com",
        "https://",
        "https://user:pass@github.com",
        "https://api.github.com?x=1",
        "https://api.github.com#x",
        "https://host:notaport",
        "https://[::1",
        "http://ghe.example.org/api/v3",
        "https://bad host/",
    ],
)
def test_an_address_that_tokens_must_not_go_to(base_url: str) -> None:
    with pytest.raises(UsageFault) as caught:
        Addresses.of(base_url, where="github_apps.main.base_url")
    assert caught.value.where == "github_apps.main.base_url"
    assert caught.value.do


async def test_an_app_without_credentials_is_not_opened(context: PluginContext) -> None:
    with pytest.raises(UsageFault, match="needs credentials") as caught:
        async with GitHubType().open(GitHubAppConfig(id="main"), context):
            pass
    assert caught.value.where == "github_apps.main.credentials"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"GITHUB_APP_ID": None}, "hold no GITHUB_APP_ID"),
        ({"GITHUB_APP_ID": " "}, "hold no GITHUB_APP_ID"),
        ({"GITHUB_APP_ID": "4711 4712"}, "is no app id"),
        ({"GITHUB_APP_PRIVATE_KEY": None}, "hold no GITHUB_APP_PRIVATE_KEY"),
        ({"GITHUB_APP_PRIVATE_KEY": "canary"}, "neither a key in PEM nor an absolute path"),
        ({"GITHUB_APP_PRIVATE_KEY": "/no/such/key.pem"}, "names /no/such/key.pem, which cannot be read"),
        ({"GITHUB_APP_PRIVATE_KEY": "-----BEGIN RSA PRIVATE KEY-----\ncanary"}, "is no RSA private key"),
    ],
)
async def test_credentials_that_are_none_stop_the_start(
    open_forge: OpenForge, source: Source, github: SmallGitHub, changes: dict[str, str | None], said: str
) -> None:
    secrets = dict(lease(github.pem).secrets)
    for name, value in changes.items():
        secrets[name] = Secret(value or "")
    source.leases = [Lease(secrets)]
    with pytest.raises(UsageFault, match=said) as caught:
        async with open_forge():
            pass
    assert caught.value.where == "github_apps.main.credentials"
    assert "canary" not in "".join(traceback.format_exception(caught.value))


async def test_a_key_may_be_a_path_or_on_one_line(github: SmallGitHub, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(github.pem)
    for given in (str(path), github.pem.replace("\n", "\\n"), github.pem):
        key = await app_key_of(lease(given).secrets, "here")
        assert key.pem.reveal().strip() == github.pem.strip()
        assert key.number == int(APP_ID)
        assert "PRIVATE" not in repr(key)


async def test_a_key_of_another_kind_and_a_client_id(github: SmallGitHub) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UsageFault, match="no RSA private key"):
        await app_key_of(lease(other.decode()).secrets, "here")
    assert (await app_key_of(lease(github.pem, "Iv23liABC").secrets, "here")).number is None


async def test_a_key_is_resolved_anew_when_its_lease_ends(
    github: SmallGitHub, open_forge: OpenForge, source: Source, clock: MovableClock, notes: Notes
) -> None:
    here = RepositoryId.parse(github.host, "octo-org/Hello-World")
    now = clock.now()
    sealed = InfrastructureFault("the vault is sealed")
    source.leases = [lease(github.pem, expires_at=now + 600), sealed]
    async with open_forge() as forge:
        clock.ahead = 530
        await forge.clone_access(here)
        assert source.asked == 1
        github.on("GET", "/repos/octo-org/other/installation", Says({"id": INSTALLATION}))
        clock.ahead = 560
        # The old one is still good.
        await forge.clone_access(RepositoryId.parse(github.host, "octo-org/other"))
        assert source.asked == 3
        assert any("credentials_not_renewed" in line for line in notes.lines)
        clock.ahead = 610
        with pytest.raises(InfrastructureFault, match="sealed"):
            await forge.clone_access(RepositoryId.parse(github.host, "octo-org/third"))


async def test_a_key_that_github_refuses_is_resolved_anew_once(
    github: SmallGitHub, forge: GitHubForge, source: Source, here: RepositoryId
) -> None:
    path = "/repos/octo-org/Hello-World/installation"
    github.on("GET", path, Says({"message": "A JSON web token could not be decoded"}, 401), Says({"id": INSTALLATION}))
    await forge.clone_access(here)
    assert source.asked == 2
    github.on("GET", "/app", Says({"message": "Bad credentials"}, 401))
    with pytest.raises(ApiFault, match="401") as caught:
        await forge.examine()
    assert source.asked == 3
    assert caught.value.do is not None
    assert "clock" in caught.value.do


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_read_that_fails_is_tried_again(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, status: int
) -> None:
    github.on("GET", PULL, Says({"message": "Server Error"}, status), Says(pull_request()))
    assert await forge.pull_request(here, 2) is not None
    assert len(github.asked("GET", PULL)) == 2


async def test_a_read_is_not_tried_for_ever(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    github.on("GET", PULL, Says(raw=b"<html>Unicorn!</html>", status=502))
    with pytest.raises(ApiFault, match="502") as caught:
        await forge.pull_request(here, 2)
    assert len(github.asked("GET", PULL)) == 3
    assert caught.value.where == f"GET {PULL}"


async def test_a_forge_that_is_not_there(open_forge: OpenForge) -> None:
    async with open_forge(base_url="http://127.0.0.1:9") as forge:
        with pytest.raises(InfrastructureFault, match="no answer"):
            await forge.repositories()


async def test_an_answer_that_never_comes_can_be_cancelled(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    github.on("GET", PULL, Says(hang=True))
    with anyio.move_on_after(0.3) as scope:
        await forge.pull_request(here, 2)
    assert scope.cancelled_caught
    github.on("GET", PULL, Says(pull_request()))
    assert await forge.pull_request(here, 2) is not None


async def test_an_answer_that_never_comes_is_a_fault_in_time(github: SmallGitHub) -> None:
    github.on("GET", PULL, Says(hang=True))
    transport = Transport(seconds=0.3)
    with pytest.raises(ApiFault, match="no answer within") as caught:
        await transport.send("GET", f"{github.url}{PULL}", {}, b"", most_bytes=10, where="here")
    await transport.close()
    assert (caught.value.status, caught.value.where) == (0, "here")


async def test_the_hours_requests_are_not_overdrawn(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, clock: MovableClock
) -> None:
    reset = str(int(clock.now()) + 120)
    spent = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    github.on("GET", PULL, Says(pull_request(), fields=spent))
    assert await forge.pull_request(here, 2) is not None
    for _ in range(2):
        with pytest.raises(ApiFault) as caught:
            await forge.pull_request(here, 2)
        assert caught.value.retry_after_seconds is not None
        assert 100 < caught.value.retry_after_seconds <= 121
    assert len(github.asked("GET", PULL)) == 1


def attempt(number: int, name: str, at: float = 0.0) -> Attempt:
    return Attempt(number, name, at)


def test_deliveries_that_are_not_known_are_wanted_once_and_in_their_order() -> None:
    attempts = [attempt(5, "c", 3), attempt(4, "a", 2), attempt(3, "b", 1), attempt(2, "a", 1), attempt(1, "d", 0)]
    assert [each.id for each in missing(attempts, {"d"})] == [3, 4, 5]
    assert missing([attempt(n, "a") for n in range(5)], ()) == []


def listed(number: int, guid: str, at: str, status: int = 502) -> dict[str, Any]:
    """https://docs.github.com/en/rest/apps/webhooks#list-deliveries-for-an-app-webhook"""
    return {
        "id": number,
        "guid": guid,
        "delivered_at": at,
        "redelivery": False,
        "duration": 0.03,
        "status": "failed to connect",
        "status_code": status,
        "event": "push",
        "action": None,
        "installation_id": INSTALLATION,
        "repository_id": 1,
    }


async def test_missed_deliveries_are_asked_for_again(github: SmallGitHub, forge: GitHubForge, notes: Notes) -> None:
    following = {"Link": f'<{github.url}{DELIVERIES}?per_page=100&cursor=v1_2>; rel="next"'}
    newest = [listed(9, "known", "2026-01-01T12:00:09Z", 202), listed(8, "lost", "2026-01-01T12:00:08Z"), {"id": None}]
    older = [listed(7, "gone", "2026-01-01T12:00:07.5Z"), listed(6, "before", "2026-01-01T11:00:00Z")]
    github.on("GET", DELIVERIES, Says(newest, fields=following), Says(older))
    github.on("POST", f"{DELIVERIES}/8/attempts", Says({}, 202))
    github.on("POST", f"{DELIVERIES}/7/attempts", Says({"message": "too old"}, 422))
    noon = 1767268800.0
    assert await forge.missed_deliveries(since=noon, known={"known"}) == ["lost"]
    assert [each.path for each in github.asked("POST")] == [f"{DELIVERIES}/7/attempts", f"{DELIVERIES}/8/attempts"]
    assert any("delivery_not_sent_again" in line for line in notes.lines)


async def test_what_was_asked_for_counts_where_the_rest_fails(github: SmallGitHub, forge: GitHubForge) -> None:
    at = "2026-01-01T12:00:00Z"
    github.on("GET", DELIVERIES, Says([listed(3, "c", at), listed(2, "b", at), listed(1, "a", at)]))
    github.on("POST", f"{DELIVERIES}/1/attempts", Says({}, 202))
    github.on("POST", f"{DELIVERIES}/2/attempts", Says({"message": "x"}, 429))
    assert await forge.missed_deliveries(since=0, known=()) == ["a"]
    assert not github.asked("POST", f"{DELIVERIES}/3/attempts")


EVERYTHING = {
    "actions": "read",
    "checks": "write",
    "contents": "read",
    "issues": "read",
    "merge_queues": "read",
    "metadata": "read",
    "pull_requests": "write",
}


async def test_what_was_granted_is_compared(github: SmallGitHub, forge: GitHubForge) -> None:
    app = {"id": 4711, "slug": "eka-ci", "permissions": EVERYTHING, "events": list(EVENTS)}
    installation = {"id": INSTALLATION, "account": {"login": "octo-org"}, "permissions": EVERYTHING}
    github.on("GET", "/app", Says(app))
    github.on("GET", "/app/installations", Says([installation | {"events": list(EVENTS), "suspended_at": None}]))
    found = await forge.examine()
    assert all(each.well and not each.feature for each in found)
    assert found[0].subject == "eka-ci"
    lacking = {**EVERYTHING, "checks": "read"}
    del lacking["issues"]
    lacking["pull_requests"] = "read"
    github.on("GET", "/app", Says(app | {"permissions": lacking, "events": ["pull_request"]}))
    away = {"id": 8, "account": {"slug": "big"}, "suspended_at": "2020-01-01T00:00:00Z"}
    github.on("GET", "/app/installations", Says([installation | {"permissions": lacking, "events": []}, away]))
    found = await forge.examine()
    bad = {(each.subject, each.text): each.feature for each in found if not each.well}
    assert bad["eka-ci", "permission checks: write"].startswith("check runs")
    assert "commands" in bad["eka-ci", "permission issues: read"]
    assert "comments" in bad["eka-ci", "permission pull_requests: write or issues: write"]
    assert ("eka-ci", "permission pull_requests: read") not in bad
    assert bad["eka-ci", "event merge_group"]
    assert bad["eka-ci", "event check_run"]
    assert bad["installation of octo-org", "permission checks: write"]
    assert bad["installation of big", "is suspended"]
    assert all(bad.values())
    assert ("eka-ci", "event pull_request") not in bad


async def test_secrets_are_in_no_log_and_no_fault(
    github: SmallGitHub,
    forge: GitHubForge,
    here: RepositoryId,
    notes: Notes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also where GitHub, or what stands in its place, says them back."""
    caplog.set_level(logging.DEBUG)
    echo = Says(status=500, echo=True)
    github.on("GET", PULL, echo)
    github.on("POST", "/repos/octo-org/Hello-World/issues/2/comments", echo, Says(hang=True))
    shown: list[str] = []
    with pytest.raises(ApiFault) as caught:
        await forge.pull_request(here, 2)
    shown += traceback.format_exception(caught.value)
    shown.append(repr(await forge.comment(here, 2, "x", None)))
    with anyio.move_on_after(0.2):
        await forge.comment(here, 2, "x", None)
    github.installed = False
    with pytest.raises(ApiFault) as caught:
        await forge.clone_access(RepositoryId.parse(github.host, "octo-org/other"))
    shown += traceback.format_exception(caught.value)
    github.on("GET", "/app", echo)
    with pytest.raises(ApiFault) as caught:
        await forge.examine()
    shown += traceback.format_exception(caught.value)
    access = await forge.clone_access(here)
    shown += [repr(access), str(access), *notes.lines, caplog.text]
    told = "\n".join(shown)
    signed = github.asked("GET", "/repos/octo-org/Hello-World/installation")[0].fields["authorization"]
    assert "you sent Bearer [REDACTED]" in told
    assert CANARY not in told
    assert signed.removeprefix("Bearer ") not in told
    assert access.headers["Authorization"].reveal().removeprefix("Basic ") not in told
    assert "PRIVATE KEY" not in told


async def test_it_closes_when_it_is_left(open_forge: OpenForge, here: RepositoryId) -> None:
    async with open_forge() as forge:
        await forge.clone_access(here)
    with pytest.raises(RuntimeError):
        await forge.pull_request(here, 2)

"""Webhooks that are made through the API, signs at notes, and what is found to be missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.plugins.forge_gitlab.conftest import SECRET, OpenForge, Scene
from tests.standins.github import faults
from tests.standins.github.exchange import Answer
from tests.standins.gitlab.deliveries import headers_of
from tests.standins.gitlab.records import DEVELOPER, REPORTER

from ekaci_core.api import Finding, InfrastructureFault, Permissions, Received, Secret, WebhookRequest
from ekaci_forge_gitlab.forge import GitLabForge

pytestmark = pytest.mark.anyio

URL = "https://ci.example.org/gitlab/webhook"


async def test_a_webhook_has_the_events_and_the_secret(forge: GitLabForge, scene: Scene) -> None:
    finding = await forge.install_webhook(scene.repository, URL)
    assert finding == Finding(str(scene.repository), well=True, text="the webhook was made")
    (hook,) = scene.place.hooks.values()
    assert (hook.url, hook.token) == (URL, SECRET)
    assert hook.events == {
        "push_events": True, "merge_requests_events": True, "note_events": True, "pipeline_events": True,
        "tag_push_events": False,
    }  # fmt: skip


async def test_what_is_there_is_corrected_and_others_are_let_be(forge: GitLabForge, scene: Scene) -> None:
    world = scene.gitlab.world
    kept = world.hook(scene.place, "https://other.example.org/", "other")
    old = world.hook(scene.place, URL, "an older secret")
    old.events["note_events"] = False
    world.hook(scene.place, URL, "made twice by somebody")
    finding = await forge.install_webhook(scene.repository, URL)
    assert finding.well
    assert list(scene.place.hooks.values()) == [kept, old]
    assert (old.token, old.events["note_events"], kept.token) == (SECRET, True, "other")


async def test_a_webhook_on_a_later_page_is_found(forge: GitLabForge, scene: Scene) -> None:
    scene.gitlab.world.longest_page = 2
    for number in range(5):
        scene.gitlab.world.hook(scene.place, f"https://other.example.org/{number}", "")
    for _ in range(2):
        await forge.install_webhook(scene.repository, URL)
    assert [each.url for each in scene.place.hooks.values()].count(URL) == 1


async def test_who_is_no_maintainer_cannot_make_webhooks(forge: GitLabForge, scene: Scene) -> None:
    scene.place.members[scene.bot.id] = DEVELOPER
    with pytest.raises(InfrastructureFault, match="403"):
        await forge.install_webhook(scene.repository, URL)


async def test_without_a_secret_no_webhook_is_made(open_forge: OpenForge, scene: Scene) -> None:
    async with open_forge(webhook_secret=None) as forge:
        finding = await forge.install_webhook(scene.repository, URL)
    assert not finding.well
    assert "no webhook secret" in finding.text
    assert not scene.place.hooks


async def test_a_webhook_is_told_to_sign(open_forge: OpenForge, scene: Scene) -> None:
    token = "whsec_MzIgYnl0ZXMgdGhhdCBub2JvZHkgZWxzZSBrbm93cyE="  # noqa: S105 - of the stand-in
    async with open_forge(signing_token=Secret(token)) as forge:
        await forge.install_webhook(scene.repository, URL)
        (hook,) = scene.place.hooks.values()
        hook.url = ""
        scene.request()
        sent = scene.gitlab.world.last_delivery("Merge Request Hook")
        headers = {name: value for name, value in headers_of(sent).items() if name != "x-gitlab-token"}
        assert isinstance(forge.receive(WebhookRequest(headers, sent.body)), Received)


# --- signs


async def test_a_note_that_is_gone_needs_no_answer(forge: GitLabForge, scene: Scene) -> None:
    await forge.react(scene.repository, 4711, accepted=True)
    assert scene.asked("POST", "/api/graphql") == 1


async def test_an_answer_that_is_no_graphql_is_a_fault(forge: GitLabForge, scene: Scene) -> None:
    scene.gitlab.fail(faults.Fault(faults.Trouble.STATUS, Answer([], 200)))
    with pytest.raises(InfrastructureFault, match="not understood"):
        await forge.react(scene.repository, 4711, accepted=True)


# --- what is missing


def lacking(findings: object) -> list[Finding]:
    assert isinstance(findings, list)
    return [each for each in findings if not each.well]


async def test_all_is_well(forge: GitLabForge, scene: Scene) -> None:
    found = await forge.examine()
    assert lacking(found) == []
    assert any(each.subject == str(scene.repository) for each in found)


@pytest.mark.parametrize("scopes", [{"read_api"}, {"read_api", "read_repository"}])
async def test_a_token_that_may_only_read(forge: GitLabForge, scene: Scene, scopes: set[str]) -> None:
    scene.token.scopes = scopes
    (found,) = lacking(await forge.examine())
    assert (found.subject, found.text) == (scene.bot.username, "scope api")
    assert "no result is shown" in found.feature


@pytest.mark.parametrize(("days", "well"), [(3, False), (40, True)])
async def test_a_token_that_expires_soon(forge: GitLabForge, scene: Scene, days: int, *, well: bool) -> None:
    day = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    scene.token.expires_at = day
    (found,) = [each for each in await forge.examine() if day in each.text]
    assert found.well is well


async def test_a_token_of_another_kind_says_nothing_of_itself(forge: GitLabForge, scene: Scene) -> None:
    scene.gitlab.fail(faults.status(404, path=".*/personal_access_tokens/self"))
    assert lacking(await forge.examine()) == []


async def test_a_role_that_is_too_low(forge: GitLabForge, scene: Scene) -> None:
    scene.place.members[scene.bot.id] = REPORTER
    (found,) = lacking(await forge.examine())
    assert (found.subject, found.text) == (str(scene.repository), "role Developer")
    scene.place.members.clear()
    scene.gitlab.world.group("octo/tools", {scene.bot.username: DEVELOPER})
    assert lacking(await forge.examine()) == [], "the role of a group counts"


async def test_no_project_at_all(open_forge: OpenForge, scene: Scene) -> None:
    permitted = Permissions(allow_all=False, allowed_repos=("elsewhere/*",))
    async with open_forge(permissions=permitted) as forge:
        (found,) = lacking(await forge.examine())
    assert found.subject == scene.bot.username
    assert "no project" in found.text

"""Webhooks that are made through the API, and what is found to be missing."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from tests.plugins.forge_gitea.conftest import OpenForge, Small
from tests.standins.gitea.deliveries import expanded
from tests.standins.gitea.records import Hook

from ekaci_core.api import Finding, Permissions
from ekaci_forge_gitea.examination import is_new_enough
from ekaci_forge_gitea.forge import GiteaForge
from ekaci_forge_gitea.hooks import NEEDED

pytestmark = pytest.mark.anyio

URL = "https://ci.example.org/gitea/webhook"


def hook(small: Small, number: int, url: str = URL, **changes: Any) -> Hook:
    made = Hook(number, "gitea", url, "form", "old", expanded(["push"]), active=False)
    small.place.hooks[number] = attrs.evolve(made, **changes)
    return small.place.hooks[number]


async def test_a_webhook_is_made_with_all_that_is_needed(small: Small, forge: GiteaForge) -> None:
    finding = await forge.install_webhook(small.id, URL)
    assert finding == Finding(str(small.id), well=True, text="the webhook was made")
    (made,) = small.place.hooks.values()
    assert (made.type, made.url, made.content_type, made.secret, made.active) == (
        "gitea",
        URL,
        "json",
        "a secret",
        True,
    )
    assert made.events >= set(NEEDED)
    small.gitea.acts.test_hook(small.place, by=small.gitea.world.account("ada"))
    assert small.gitea.world.deliveries[-1].hook is made


async def test_one_that_is_there_is_corrected_and_doubles_go(small: Small, forge: GiteaForge) -> None:
    hook(small, 5)
    hook(small, 6, url=URL + "/")
    hook(small, 7, url="https://elsewhere.example.org/gitea/webhook")
    for _ in range(2):
        finding = await forge.install_webhook(small.id, URL)
        assert finding.well
        assert sorted(small.place.hooks) == [5, 7]
    mine = small.place.hooks[5]
    assert (mine.content_type, mine.secret, mine.active) == ("json", "a secret", True)
    assert mine.events >= set(NEEDED)
    assert small.place.hooks[7].secret == "old", "others are let be"  # noqa: S105


async def test_without_a_secret_none_is_made(small: Small, open_forge: OpenForge) -> None:
    async with open_forge(webhook_secret=None) as forge:
        finding = await forge.install_webhook(small.id, URL)
    assert not finding.well
    assert "secret" in finding.text
    assert not small.place.hooks


async def test_a_webhook_behind_many_others_is_found(small: Small, forge: GiteaForge) -> None:
    for number in range(1, 61):
        hook(small, number, url=f"https://other-{number}.example.org/hook")
    for _ in range(2):
        await forge.install_webhook(small.id, URL)
    assert [each.url for each in small.place.hooks.values()].count(URL) == 1


async def lacking(forge: GiteaForge) -> list[Finding]:
    return [each for each in await forge.examine() if not each.well]


async def test_what_is_missing_is_found(small: Small, forge: GiteaForge) -> None:
    (missing,) = await lacking(forge)
    assert "ekaci forge setup" in missing.text
    hook(small, 5, active=True)
    (missing,) = await lacking(forge)
    assert "pull_request_sync" in missing.text
    hook(small, 5, active=False, events=expanded(["push", "pull_request"]))
    (missing,) = await lacking(forge)
    assert "active" in missing.text
    await forge.install_webhook(small.id, URL)
    assert await lacking(forge) == []


async def test_who_may_write_but_administers_nothing(small: Small, forge: GiteaForge) -> None:
    small.place.roles[small.gitea.world.account("ekaci").id] = "write"
    (missing,) = await lacking(forge)
    assert missing.text == "is an administrator"
    assert "approval" in missing.feature


async def test_what_nobody_named_is_not_missed(small: Small, open_forge: OpenForge) -> None:
    small.gitea.world.repository("octo/read", roles={"ekaci": "read"})
    async with open_forge() as forge:
        assert not any("octo/read" in each.subject for each in await forge.examine())
    named = Permissions(allow_all=False, allowed_repos=("octo/read",))
    async with open_forge(permissions=named) as forge:
        assert [each.text for each in await lacking(forge)] == ["may write", "is an administrator"]


async def test_an_account_with_nothing_is_told_of(open_forge: OpenForge) -> None:
    async with open_forge(permissions=Permissions(allow_all=False, allowed_repos=("nobody/*",))) as forge:
        (missing,) = await lacking(forge)
    assert "no repository" in missing.text


async def test_an_old_version_is_told_of(small: Small, forge: GiteaForge) -> None:
    await forge.install_webhook(small.id, URL)
    small.gitea.world.version = "1.19.4"
    (missing,) = await lacking(forge)
    assert "1.20" in missing.text


@pytest.mark.parametrize(
    ("version", "well"),
    [
        ("1.20.0", True),
        ("1.23.1+dev-12-gabcdef", True),
        ("1.19.4", False),
        ("7.0.0+gitea-1.21.11", True),
        ("1.18.5-0+gitea-1.18.5", False),
        ("11.0.0+gitea-1.22.0", True),
        ("main", True),
    ],
)
def test_versions(version: str, *, well: bool) -> None:
    assert is_new_enough(version) is well

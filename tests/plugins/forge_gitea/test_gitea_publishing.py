"""Statuses and comments: written once, changed in their place, and found again."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from tests.plugins.forge_gitea.conftest import Small
from tests.standins.gitea.records import Pull, Status
from tests.standins.github import faults

from ekaci_core.api import Check, CheckStatus, CommitSha, Conclusion, Published, PublishFailed
from ekaci_forge_gitea.forge import GiteaForge

pytestmark = pytest.mark.anyio

MARK = "<!-- EkaCI: this comment is kept up to date -->"


@pytest.fixture
def pull(small: Small) -> Pull:
    small.gitea.acts.push(small.place, {"n": "1"}, branch="b", by="ada")
    return small.gitea.acts.open_pull(small.place, "b", by="ada")


@pytest.fixture
def check(small: Small, pull: Pull) -> Check:
    return Check(
        small.id, CommitSha(pull.head_sha), "EkaCI: Verdict", CheckStatus.IN_PROGRESS, title="Building: 1 of 3",
        details_url="https://ci.example.org/reviews/7",
    )  # fmt: skip


def written(small: Small) -> list[Status]:
    return list(small.place.statuses.values())


async def test_what_stands_there_already_is_not_written_again(small: Small, forge: GiteaForge, check: Check) -> None:
    first = await forge.publish(check, None)
    assert isinstance(first, Published)
    for remote in (None, first.remote, "nonsense"):
        assert await forge.publish(check, remote) == first
    (only,) = written(small)
    assert (only.state, only.description, only.target_url) == (
        "pending", "Building: 1 of 3", "https://ci.example.org/reviews/7",
    )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Building: 2 of 3"},
        {"details_url": None},
        {"status": CheckStatus.COMPLETED, "conclusion": Conclusion.SUCCESS},
    ],
)
async def test_what_differs_is_written(small: Small, forge: GiteaForge, check: Check, change: dict[str, Any]) -> None:
    await forge.publish(check, None)
    await forge.publish(attrs.evolve(check, **change), None)
    assert len(written(small)) == 2
    await forge.publish(check, None)
    assert [each.description for each in written(small)][-1] == "Building: 1 of 3", "only the newest counts"


async def test_what_gitea_makes_of_a_text_is_no_difference(small: Small, forge: GiteaForge, check: Check) -> None:
    odd = attrs.evolve(check, title="  many  words \n and an end  ", context=" a context ")
    await forge.publish(odd, None)
    await forge.publish(odd, None)
    assert len(written(small)) == 1


async def test_a_lost_answer_writes_no_second(small: Small, forge: GiteaForge, check: Check) -> None:
    small.gitea.fail(faults.Fault(faults.Trouble.LOST, method="POST", times=1))
    failed = await forge.publish(check, None)
    assert isinstance(failed, PublishFailed)
    assert isinstance(await forge.publish(check, None), Published)
    assert len(written(small)) == 1


@pytest.mark.parametrize(
    ("status", "again"), [(403, False), (404, False), (422, False), (409, True), (500, True), (401, True)]
)
async def test_when_trying_again_helps(
    small: Small, forge: GiteaForge, check: Check, status: int, *, again: bool
) -> None:
    small.gitea.fail(faults.status(status, method="POST"))
    failed = await forge.publish(check, None)
    assert isinstance(failed, PublishFailed)
    assert (failed.retry_after_seconds is not None) is again


async def test_a_token_without_the_scope_says_which_one_it_needs(small: Small, forge: GiteaForge, check: Check) -> None:
    small.gitea.world.tokens[small.token].scopes = frozenset({"read:repository", "read:user"})
    failed = await forge.publish(check, None)
    assert isinstance(failed, PublishFailed)
    assert "write:repository" in failed.reason
    assert small.token not in failed.reason


async def test_a_comment_is_changed_in_its_place_and_no_other_is(small: Small, forge: GiteaForge, pull: Pull) -> None:
    small.gitea.acts.comment(small.place, pull, f"> {MARK}", by=small.gitea.world.account("ada"))
    first = await forge.comment(small.id, 1, f"{MARK}\n\none", None)
    assert isinstance(first, Published)
    found = await forge.find_comment(small.id, 1, MARK)
    assert found == first.remote
    assert await forge.comment(small.id, 1, f"{MARK}\n\ntwo", found) == first
    assert [each.body for each in small.place.comments.values()] == [f"> {MARK}", f"{MARK}\n\ntwo"]


async def test_a_comment_that_is_gone_is_forgotten(small: Small, forge: GiteaForge, pull: Pull) -> None:
    del pull
    for remote in ("4711", "nonsense"):
        failed = await forge.comment(small.id, 1, "words", remote)
        assert isinstance(failed, PublishFailed)
        assert failed.forget


async def test_budgets_are_the_accounts(small: Small, forge: GiteaForge) -> None:
    budget = forge.write_budget(small.id)
    assert small.gitea.host in budget.key
    assert budget.key == forge.write_budget(attrs.evolve(small.id, path="other/place")).key

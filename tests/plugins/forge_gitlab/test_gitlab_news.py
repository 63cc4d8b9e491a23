"""What happened in a project, where no webhook tells."""

from __future__ import annotations

import pytest
from tests.plugins.forge_gitlab.conftest import Scene

from ekaci_core.api import (
    BranchPushed,
    CommentCreated,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
)
from ekaci_forge_gitlab.forge import GitLabForge

pytestmark = pytest.mark.anyio


async def test_news_is_what_webhooks_would_have_told(forge: GitLabForge, scene: Scene) -> None:
    acts, world = scene.gitlab.acts, scene.gitlab.world
    before = scene.main
    after = acts.push(scene.place, {"b.nix": "b"})
    opened, closed, merged = (scene.request(name) for name in ("one", "two", "three"))
    acts.close(scene.place, closed)
    merged.state = "merged"
    note = acts.comment(scene.place, opened, "/ekaci retry", by=world.account("wanda"))
    told = await forge.news(scene.repository, since=0.0)
    (tip,) = [each for each in told if isinstance(each, BranchPushed)]
    assert (tip.branch, tip.before, tip.after, tip.is_default) == ("main", before, after, True)
    changed = {each.pull_request.number: each for each in told if isinstance(each, PullRequestChanged)}
    assert {number: each.action for number, each in changed.items()} == {
        1: PullRequestAction.SYNCHRONIZED, 2: PullRequestAction.CLOSED, 3: PullRequestAction.CLOSED,
    }  # fmt: skip
    assert changed[3].pull_request.state is PullRequestState.MERGED
    (said,) = [each for each in told if isinstance(each, CommentCreated)]
    assert (said.number, said.comment, said.body, said.author.login) == (1, note.id, "/ekaci retry", "wanda")
    assert not said.by_bot
    assert await forge.news(scene.repository, since=0.0) == told


async def test_what_was_before_is_not_told_again(forge: GitLabForge, scene: Scene) -> None:
    acts, world = scene.gitlab.acts, scene.gitlab.world
    request = scene.request()
    note = acts.comment(scene.place, request, "early", by=world.account("wanda"))
    acts.close(scene.place, request)
    note.created_at = request.updated_at = scene.gitlab.world.now() - 60
    told = await forge.news(scene.repository, since=request.updated_at + 1)
    assert [type(each) for each in told] == [BranchPushed]
    later = acts.comment(scene.place, request, "late", by=scene.bot)
    (said,) = [
        each
        for each in await forge.news(scene.repository, since=note.created_at + 1)
        if isinstance(each, CommentCreated)
    ]
    assert (said.comment, said.by_bot) == (later.id, True)

"""What a polled instance is asked for."""

from __future__ import annotations

import pytest
from tests.plugins.forge_gitea.conftest import Small
from tests.standins.github.git import Bare

from ekaci_core.api import BranchPushed, CommentCreated, CommitSha, PullRequestAction, PullRequestChanged
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_gitea.forge import GiteaForge

pytestmark = pytest.mark.anyio


async def test_where_the_default_branch_is(small: Small, forge: GiteaForge) -> None:
    first = CommitSha(Bare(small.place.folder)("rev-parse", "main"))
    (tip,) = await forge.news(small.id, since=0.0)
    assert isinstance(tip, BranchPushed)
    assert (tip.branch, tip.before, tip.after, tip.is_default) == ("main", None, first, True)
    second = small.gitea.acts.push(small.place, {"b": "b"}, branch="main", by="ada")
    (tip,) = await forge.news(small.id, since=0.0)
    assert isinstance(tip, BranchPushed)
    assert (tip.before, tip.after) == (first, second)


async def test_an_empty_repository_has_no_news(small: Small, forge: GiteaForge) -> None:
    empty = small.gitea.world.repository("octo/empty", roles={"ekaci": "admin"})
    place = type(small.id)(small.gitea.host, empty.full_name)
    assert await forge.news(place, since=0.0) == []


async def test_what_was_closed_and_said_since(small: Small, forge: GiteaForge, notes: RecordingLogger) -> None:
    acts, world = small.gitea.acts, small.gitea.world
    world.longest_page = 2
    for number in range(1, 6):
        acts.push(small.place, {"n": str(number)}, branch=f"b{number}", by="ada")
        pull = acts.open_pull(small.place, f"b{number}", by="ada")
        acts.comment(small.place, pull, f"said {number}", by=world.account("ada"))
    for number in (1, 2, 3):
        acts.edit(small.place, small.place.pulls[number], by="ada", state="closed")
    for number, pull in small.place.pulls.items():
        pull.updated_at = 1000.0 * number
    for number, said in enumerate(small.place.comments.values(), start=1):
        said.created_at = said.updated_at = 1000.0 * number
    told = await forge.news(small.id, since=2000.0)
    changed = {each.pull_request.number: each.action for each in told if isinstance(each, PullRequestChanged)}
    assert changed == {
        3: PullRequestAction.CLOSED, 4: PullRequestAction.SYNCHRONIZED, 5: PullRequestAction.SYNCHRONIZED,
    }  # fmt: skip
    comments = [(each.number, each.body) for each in told if isinstance(each, CommentCreated)]
    assert comments == [(3, "said 3"), (4, "said 4"), (5, "said 5")]
    assert await forge.news(small.id, since=2000.0) == told
    assert not any("not_understood" in line for line in notes.lines)

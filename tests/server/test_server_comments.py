"""Reviews at a forge that has commit statuses, and no place for the texts of checks but a comment."""

from __future__ import annotations

from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.api import Branch, CommitSha, ForgeCapability
from ekaci_core.model.review import Occasion, ReviewState
from ekaci_core.reporting.check_results import MAX_FAILED_STATUSES
from ekaci_core.testing.scripted_forge import ScriptedForge
from ekaci_core.testing.server_harness import Origin, ServerHarness, served

pytestmark = [pytest.mark.anyio, pytest.mark.nix]

VERDICT = "EkaCI: Verdict"


@pytest.fixture
def statuses(origin: Origin) -> Origin:
    """The same repository at a forge without checks."""
    forge = ScriptedForge(capabilities={ForgeCapability.REACTIONS})
    forge.clone_url, forge.files = origin.forge.clone_url, origin.forge.files
    return Origin(origin.path, origin.environment, forge, origin.id)


def failing(name: str) -> str:
    return f'{{ mkPackage }}: mkPackage {{ pname = "{name}"; version = "1"; build = "exit 1"; }}'


async def commented(server: ServerHarness, sha: CommitSha, *, seconds: float = 20) -> str:
    """Return our comment once nothing newer is to be said at a commit."""
    with anyio.fail_after(seconds):
        while True:
            posts = await server.store.posts_at(server.origin.id, sha)
            about = [post for post in posts if post.check.comment_on is not None]
            if about and all(post.sent == post.version for post in posts):
                break
            await anyio.sleep(0.02)
    (text,) = server.origin.forge.comments.values()
    return text


async def test_a_pull_request_has_one_comment_whatever_is_pushed(statuses: Origin, tmp_path: Path) -> None:
    statuses.git("switch", "--quiet", "--create", "change")
    head = statuses.commit("It fails", {"pkgs/bad.nix": failing("bad")})
    async with served(statuses, tmp_path) as server:
        first = await server.ask(statuses.pull_request(7, head))
        await server.reaches(first, ReviewState.DONE)
        said = await commented(server, head)
        assert "Do not merge" in said
        assert "bad" in said
        head = statuses.commit("It does not", {"pkgs/bad.nix": None})
        second = await server.ask(statuses.pull_request(7, head))
        await server.reaches(second, ReviewState.DONE)
        said = await commented(server, head)
        assert "Merge" in said
        assert "Do not merge" not in said
        assert head[:12] in said
    (tmp_path / "sqlite.db").rename(tmp_path / "lost.db")
    head = statuses.commit("Words", {"README": "hello"})
    async with served(statuses, tmp_path) as server:
        await server.reaches(await server.ask(statuses.pull_request(7, head)), ReviewState.DONE)
        assert head[:12] in await commented(server, head), "it is found by its mark"


async def test_no_more_failures_have_a_status_than_people_can_look_at(statuses: Origin, tmp_path: Path) -> None:
    statuses.git("switch", "--quiet", "--create", "change")
    names = [f"bad-{number:02}" for number in range(MAX_FAILED_STATUSES + 2)]
    head = statuses.commit("They fail", {f"pkgs/{name}.nix": failing(name) for name in names})
    async with served(statuses, tmp_path) as server:
        await server.reaches(await server.ask(statuses.pull_request(7, head)), ReviewState.DONE)
        said = await commented(server, head)
        assert all(name in said for name in names), "the comment names all"
        singles = {each.context for each in statuses.forge.published if each.context.startswith("bad-")}
        assert len(singles) == MAX_FAILED_STATUSES


async def test_who_waits_for_an_approval_is_told_how_without_a_button(statuses: Origin, tmp_path: Path) -> None:
    statuses.git("switch", "--quiet", "--create", "change")
    head = statuses.commit("Only words", {"README": "hello"})
    async with served(statuses, tmp_path) as server:
        await server.ask(statuses.pull_request(7, head, trusted=False, author="mallory"), ReviewState.WAITING)
        said = await commented(server, head)
        assert "/ekaci approve" in said
        assert "button" not in said


async def test_what_is_no_pull_request_gets_no_comment(statuses: Origin, tmp_path: Path) -> None:
    async with served(statuses, tmp_path) as server:
        base = statuses.told()
        statuses.git("switch", "--quiet", "--create", "queued")
        head = statuses.commit("Queued", {"README": "hello"})
        wish = attrs.evolve(statuses.pull_request(7, head), number=None, occasion=Occasion.MERGE_GROUP, base_sha=base)
        await server.reaches(await server.ask(wish), ReviewState.DONE)
        await server.published(VERDICT, head)
        assert not statuses.forge.comments


async def test_two_pull_requests_with_one_commit_have_their_own_comments(statuses: Origin, tmp_path: Path) -> None:
    statuses.git("branch", "other")
    statuses.git("switch", "--quiet", "--create", "change")
    head = statuses.commit("It fails", {"pkgs/bad.nix": failing("bad")})
    async with served(statuses, tmp_path) as server:
        wishes = [statuses.pull_request(7, head), attrs.evolve(statuses.pull_request(8, head), base=Branch("other"))]
        for wish in wishes:
            await server.reaches(await server.ask(wish), ReviewState.DONE)
        with anyio.fail_after(20):
            while any(  # noqa: ASYNC110 - the database tells nobody
                post.sent != post.version for post in await server.store.posts_at(statuses.id, head)
            ):
                await anyio.sleep(0.02)
        comments = statuses.forge.comments
        assert sorted(name.partition("/")[0] for name in comments) == ["7", "8"]
        assert all("Do not merge" in text for text in comments.values())


async def test_what_nobody_waits_for_any_more_is_not_said_to_be_under_way(statuses: Origin, tmp_path: Path) -> None:
    statuses.git("switch", "--quiet", "--create", "change")
    head = statuses.commit("It is slow", {"pkgs/slow.nix": failing("slow").replace("exit 1", "/bin/sleep 300")})
    async with served(statuses, tmp_path) as server:
        review = await server.ask(statuses.pull_request(7, head))
        await server.attempts(1)
        now = server.parts.clock.now()
        await server.store.change_review(
            review, ReviewState.CLOSED, expected=set(ReviewState), detail="closed", now=now
        )
        server.reviewing.wake()
        with anyio.fail_after(20):
            while "Nobody waits" not in "".join(statuses.forge.comments.values()):  # noqa: ASYNC110 - as above
                await anyio.sleep(0.02)
        assert len(statuses.forge.comments) == 1

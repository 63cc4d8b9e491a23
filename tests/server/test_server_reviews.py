"""Reviews that a server makes, from the wish to what stands at the forge."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from ekaci_core.api import CheckStatus, Conclusion, EvaluationRequest
from ekaci_core.bus import Wakeup
from ekaci_core.model.review import ReviewState
from ekaci_core.server.reviewing import Reviewing
from ekaci_core.testing.server_harness import CONFIG, Origin, served

pytestmark = [pytest.mark.anyio, pytest.mark.nix]

PATCH = Path(__file__).parents[2] / "examples/pull-request.patch"
VERDICT = "EkaCI: Verdict"
SLOW = {"pkgs/slow.nix": '{ mkPackage }: mkPackage { pname = "slow"; version = "1"; build = "/bin/sleep 300"; }'}


async def test_a_pull_request_gets_its_verdict_and_few_checks(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    origin.git("apply", "--index", str(PATCH))
    head = origin.commit("A bit of everything")
    async with served(origin, tmp_path) as server:
        review = await server.ask(origin.pull_request(7, head))
        record = await server.reaches(review, ReviewState.DONE)
        assert record.decision == "do_not_merge"
        verdict = await server.published(VERDICT, head)
        assert verdict.conclusion is Conclusion.FAILURE
        assert verdict.repository == origin.id
        document = await server.result(review)
        assert document["verdict"] == "do_not_merge"
        shown = {each.context: each for each in origin.forge.published}
        assert origin.forge.published[0].context == VERDICT, "the first of all"
        assert origin.forge.published[0].status is not CheckStatus.COMPLETED
        assert shown["EkaCI: Configure"].conclusion is Conclusion.SUCCESS
        assert shown["EkaCI: Change Summary"].conclusion is Conclusion.NEUTRAL
        singles = [each for each in shown if not each.startswith("EkaCI: ")]
        assert singles, "what fails has a check of its own"
        assert all(" / " in each and each.endswith("(packages)") for each in singles)
        assert len(origin.forge.published) <= 12 + len(singles)


async def test_a_change_of_nothing_may_be_merged(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    head = origin.commit("Only words", {"README": "hello"})
    async with served(origin, tmp_path) as server:
        review = await server.ask(origin.pull_request(7, head))
        await server.reaches(review, ReviewState.DONE)
        assert (await server.published(VERDICT, head)).conclusion is Conclusion.SUCCESS


async def test_a_repository_without_configuration_gets_nothing(origin: Origin, tmp_path: Path) -> None:
    origin.git("rm", "--quiet", "-r", ".eka-ci")
    origin.commit("No configuration")
    origin.git("switch", "--quiet", "--create", "change")
    head = origin.commit("Only words", {"README": "hello"})
    origin.forge.files.clear()
    async with served(origin, tmp_path) as server:
        review = await server.ask(origin.pull_request(7, head))
        await server.reaches(review, ReviewState.NOT_CONFIGURED)
        assert origin.forge.published == []
        assert "clone_access" not in origin.forge.asked, "nothing of it was fetched"


async def test_a_configuration_that_cannot_be_used_is_told(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    head = origin.commit("Wrong", {CONFIG: '{"jobs": {"packages": {"file": 3}}}'})
    async with served(origin, tmp_path) as server:
        review = await server.ask(origin.pull_request(7, head))
        await server.reaches(review, ReviewState.DONE)
        check = await server.published("EkaCI: Configure", head)
        assert check.conclusion is Conclusion.FAILURE
        assert "jobs.packages.file" in check.summary.replace("&#95;", "_")
        assert (await server.published(VERDICT, head)).conclusion is Conclusion.FAILURE


async def test_nothing_of_a_commit_that_waits_for_approval_is_fetched(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    head = origin.commit("Only words", {"README": "hello"})
    wish = origin.pull_request(7, head, author="mallory", trusted=False)
    async with served(origin, tmp_path) as server:
        review = await server.ask(wish, ReviewState.WAITING)
        check = await server.published("EkaCI: Approval Required (User: @mallory)", head)
        assert check.conclusion is Conclusion.ACTION_REQUIRED
        assert "clone_access" not in origin.forge.asked
        await server.store.approve_review(review, now=server.parts.clock.now())
        server.asked.wake()
        await server.reaches(review, ReviewState.DONE)
        assert (await server.published(VERDICT, head)).conclusion is Conclusion.SUCCESS


async def test_builds_of_strangers_are_refused_where_nix_does_not_sandbox(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    origin.git("apply", "--index", str(PATCH))
    head = origin.commit("A bit of everything")
    async with served(origin, tmp_path) as server:
        assert not server.parts.nix.settings.really_sandboxes
        review = await server.ask(origin.pull_request(7, head, author="mallory", trusted=False))
        record = await server.reaches(review, ReviewState.DONE)
        assert record.decision != "merge"
        verdict = await server.published(VERDICT, head)
        assert "sandbox" in verdict.summary
        document = await server.result(review)
        assert document["counts"]
        assert not await server.store.mentioned_attempts()


async def test_a_push_over_a_build_stops_it_and_closes_its_checks(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    old = origin.commit("Slow", SLOW)
    async with served(origin, tmp_path) as server:
        first = await server.ask(origin.pull_request(7, old))
        await server.attempts(1)
        origin.git("reset", "--quiet", "--hard", "main")
        new = origin.commit("Only words", {"README": "hello"})
        second = await server.ask(origin.pull_request(7, new))
        assert (await server.reaches(first, ReviewState.SUPERSEDED)).state is ReviewState.SUPERSEDED
        await server.reaches(second, ReviewState.DONE)
        closed = await server.published(VERDICT, old)
        assert closed.conclusion is Conclusion.CANCELLED
        assert (await server.published(VERDICT, new)).conclusion is Conclusion.SUCCESS
        await server.attempts(0)


async def test_the_next_server_goes_on_where_one_was_stopped(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    origin.git("apply", "--index", str(PATCH))
    head = origin.commit("A bit of everything")
    async with served(origin, tmp_path) as server:
        review = await server.ask(origin.pull_request(7, head))
        await server.reaches(review, ReviewState.BUILDING, ReviewState.DONE)
    async with served(origin, tmp_path) as server:
        record = await server.reaches(review, ReviewState.DONE)
        assert record.decision == "do_not_merge"
        assert (await server.published(VERDICT, head)).conclusion is Conclusion.FAILURE
    created = [each for each in origin.forge.published if each.context == "EkaCI: Configure"]
    assert len(created) == 1, "what stands there already is not written again"


async def test_faults_and_restarts_cost_few_writes(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    head = origin.commit("Only words", {"README": "hello"})
    async with served(origin, tmp_path) as server:
        origin.forge.clone_url = "/nowhere"
        review = await server.ask(origin.pull_request(7, head))
        await server.reaches(review, ReviewState.FAULT)
    for number in range(6):
        origin.forge.clone_url = f"/nowhere/{number}"
        async with served(origin, tmp_path) as server:
            with anyio.fail_after(30):
                while str(number) not in (await server.reaches(review, ReviewState.FAULT)).detail:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            for post in await server.store.posts_at(origin.id, head):
                assert post.check.status is not CheckStatus.COMPLETED
                assert post.version <= 4
                await server.store.post_sent(post.id, version=post.version, remote="1", now=1.0)  # however soon it is
    origin.forge.clone_url = str(origin.path)
    async with served(origin, tmp_path) as server:
        await server.reaches(review, ReviewState.DONE)
        assert (await server.published(VERDICT, head)).conclusion is Conclusion.SUCCESS


async def test_a_restart_tells_nothing_anew_of_what_waits_for_an_approval(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    head = origin.commit("Only words", {"README": "hello"})
    wish = origin.pull_request(7, head, trusted=False, author="mallory")
    for _ in range(3):
        async with served(origin, tmp_path) as server:
            await server.ask(wish, ReviewState.WAITING)
            await server.published(VERDICT, head)
            await anyio.sleep(0.2)
            posts = await server.store.posts_at(origin.id, head)
            assert [post.version for post in posts] == [1, 1]


class Broken:
    """An evaluator with a defect."""

    identity = "broken 1"

    def evaluate(self, request: EvaluationRequest) -> AbstractAsyncContextManager[Any]:
        raise KeyError(f"canary of {request.file}")


async def test_a_defect_in_one_review_ends_no_other(origin: Origin, tmp_path: Path) -> None:
    origin.git("switch", "--quiet", "--create", "change")
    head = origin.commit("A package", {"pkgs/a.nix": '{ mkPackage }: mkPackage { pname = "a"; version = "1"; }'})
    async with served(origin, tmp_path) as server, anyio.create_task_group() as tasks:
        broken = Reviewing(attrs.evolve(server.parts, evaluator=Broken()), Wakeup())
        # The server's own is not woken, and looks for itself much later.
        review = await server.store.ask_review(origin.pull_request(7, head), ReviewState.QUEUED, now=1.0)
        tasks.start_soon(broken.run)
        record = await server.reaches(review, ReviewState.FAULT)
        assert "KeyError" in record.detail
        assert "canary" not in record.detail
        await anyio.sleep(0.1)
        assert not tasks.cancel_scope.cancel_called
        tasks.cancel_scope.cancel()

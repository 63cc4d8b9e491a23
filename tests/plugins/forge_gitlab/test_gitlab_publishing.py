"""Where statuses stand, and what GitLab makes of them."""

from __future__ import annotations

import anyio
import attrs
import pytest
from tests.plugins.forge_gitlab.conftest import OpenForge, Scene
from tests.standins.github import faults
from tests.standins.github.git import Bare
from tests.standins.gitlab.records import Status

from ekaci_core.api import Check, CheckStatus, Conclusion, Published, PublishFailed
from ekaci_forge_gitlab.forge import GitLabForge
from ekaci_forge_gitlab.statuses import Unpublishable, body_of, name_of

pytestmark = pytest.mark.anyio


async def published(forge: GitLabForge, check: Check, remote: str | None = None) -> str:
    answer = await forge.publish(check, remote)
    assert isinstance(answer, Published), answer
    return answer.remote


def ended(check: Check, conclusion: Conclusion = Conclusion.SUCCESS, title: str = "") -> Check:
    return attrs.evolve(check, status=CheckStatus.COMPLETED, conclusion=conclusion, title=title)


def only(scene: Scene, sha: str) -> Status:
    (found,) = scene.place.standing(sha)
    return found


# --- where


async def test_a_merge_request_of_a_branch_shows_its_statuses(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request("topic")
    # Another branch with the same commit, and first in the alphabet.
    scene.gitlab.acts.push(scene.place, {}, branch="a", parent=request.sha)
    await published(forge, scene.check(request.sha))
    status = only(scene, request.sha)
    assert (status.pipeline.ref, status.pipeline.source) == ("topic", "external")
    assert request.pipeline == status.pipeline.id


async def test_the_pipeline_of_gitlabs_own_ci_takes_ours_in(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request()
    pipeline = scene.gitlab.acts.pipeline(scene.place, request)
    await published(forge, scene.check(request.sha))
    assert only(scene, request.sha).pipeline is pipeline


async def test_the_pipeline_of_another_commit_is_let_be(forge: GitLabForge, scene: Scene) -> None:
    """That of a merged result is of a commit that GitLab made."""
    request = scene.request()
    scene.gitlab.acts.pipeline(scene.place, request).sha = str(scene.main)
    await published(forge, scene.check(request.sha))
    assert only(scene, request.sha).pipeline.ref == "topic"


async def test_a_fork_is_reported_in_the_project_at_the_ref_of_its_merge_request(
    forge: GitLabForge, scene: Scene
) -> None:
    fork = scene.gitlab.world.fork(scene.place, "mallory")
    request = scene.request("theirs", source=fork, by="mallory")
    await published(forge, scene.check(request.sha))
    assert only(scene, request.sha).pipeline.ref == f"refs/merge-requests/{request.iid}/head"
    assert not fork.statuses


async def test_a_commit_without_a_merge_request_has_its_statuses_too(forge: GitLabForge, scene: Scene) -> None:
    await published(forge, scene.check(scene.main))
    assert only(scene, scene.main).pipeline.ref == "main"


async def test_a_merge_request_that_has_moved_on_is_not_that_of_the_commit(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request()
    old = request.sha
    scene.gitlab.acts.push(scene.place, {"b": "b"}, branch="topic")
    await published(forge, scene.check(old))
    assert only(scene, old).pipeline.sha == old
    assert scene.asked("GET", f"/merge_requests/{request.iid}") == 0


async def test_of_several_merge_requests_of_a_commit_the_open_one_counts(forge: GitLabForge, scene: Scene) -> None:
    closed = scene.request("one")
    scene.gitlab.acts.close(scene.place, closed)
    scene.gitlab.acts.push(scene.place, {}, branch="two", parent=closed.sha)
    Bare(scene.place.folder)("update-ref", "refs/heads/two", closed.sha)
    opened = scene.gitlab.acts.open(scene.place, "two", by="wanda")
    assert opened.sha == closed.sha
    await published(forge, scene.check(opened.sha))
    assert only(scene, opened.sha).pipeline.ref == "two"


async def test_all_that_is_said_of_a_commit_stands_in_one_pipeline(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request()
    first = await published(forge, scene.check(request.sha))
    # GitLab's own comes late.
    scene.gitlab.acts.pipeline(scene.place, request)
    await published(forge, scene.check(request.sha, context="EkaCI: Configure"))
    await published(forge, ended(scene.check(request.sha)), first)
    assert len({each.pipeline.id for each in scene.place.standing(request.sha)}) == 1


async def test_the_place_is_looked_up_once(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request()
    for number in range(4):
        await published(forge, scene.check(request.sha, context=f"check {number}"))
    assert scene.asked("GET", "/merge_requests") == 1


async def test_what_is_said_at_once_is_written_one_by_one(forge: GitLabForge, scene: Scene) -> None:
    """Two first statuses that come at once make two pipelines."""
    request = scene.request()
    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(forge.publish, scene.check(request.sha, context=f"check {number}"), None)
    assert len(scene.place.standing(request.sha)) == 6
    assert scene.asked("GET", "/merge_requests") == 1, "the others knew where the first one went"


async def test_a_pipeline_that_is_gone_is_forgotten(forge: GitLabForge, scene: Scene) -> None:
    check = scene.check(scene.main)
    remote = await published(forge, check)
    scene.place.pipelines.clear()
    scene.place.statuses.clear()
    answer = await forge.publish(check, remote)
    assert isinstance(answer, PublishFailed)
    assert answer.forget
    await published(forge, check)
    assert only(scene, scene.main).state == "running"


# --- states


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [
        (Conclusion.SUCCESS, "success"),
        (Conclusion.NEUTRAL, "success"),
        (Conclusion.FAILURE, "failed"),
        (Conclusion.TIMED_OUT, "failed"),
        (Conclusion.CANCELLED, "canceled"),
        (Conclusion.ACTION_REQUIRED, "pending"),
    ],
)
async def test_every_end_has_a_state(forge: GitLabForge, scene: Scene, conclusion: Conclusion, state: str) -> None:
    await published(forge, ended(scene.check(scene.main), conclusion))
    assert only(scene, scene.main).state == state


@pytest.mark.parametrize("known", [True, False], ids=["by its name", "after a restart"])
async def test_a_state_that_is_said_again_is_no_error(forge: GitLabForge, scene: Scene, *, known: bool) -> None:
    for status in (CheckStatus.QUEUED, CheckStatus.IN_PROGRESS, CheckStatus.IN_PROGRESS, CheckStatus.QUEUED):
        remote = await published(forge, scene.check(scene.main, status=status))
        again = await published(forge, scene.check(scene.main, status=status, title="2"), remote if known else None)
        assert again == remote
    assert only(scene, scene.main).state == "running"


async def test_what_stands_already_is_not_written_again(forge: GitLabForge, scene: Scene) -> None:
    check = ended(scene.check(scene.main), title="Merge")
    first = await published(forge, check)
    assert await published(forge, check) == first
    assert only(scene, scene.main).writes == 1


async def test_a_result_that_changes_replaces_the_older_one(forge: GitLabForge, scene: Scene) -> None:
    remote = await published(forge, ended(scene.check(scene.main), Conclusion.FAILURE))
    await published(forge, ended(scene.check(scene.main)), remote)
    assert only(scene, scene.main).state == "success"
    assert len(scene.place.statuses) == 2, "GitLab keeps the older one, as retried"


async def test_a_refused_state_that_is_not_there_is_an_error(forge: GitLabForge, scene: Scene) -> None:
    check = scene.check(scene.main)
    remote = await published(forge, check)
    message = "Cannot transition status via :success from :canceled"
    scene.gitlab.fail(faults.status(400, message, method="POST"))
    answer = await forge.publish(ended(check), remote)
    assert isinstance(answer, PublishFailed)
    assert message in answer.reason


async def test_a_writer_who_comes_in_between_is_waited_for(forge: GitLabForge, scene: Scene) -> None:
    scene.gitlab.fail(faults.status(409, "Another process is updating", method="POST"))
    answer = await forge.publish(scene.check(scene.main), None)
    assert isinstance(answer, PublishFailed)
    assert answer.retry_after_seconds is not None


# --- texts


def test_limits_of_a_status(scene: Scene) -> None:
    check = scene.check("0" * 40, title="é" * 400, context="c" * 400, details_url="https://ci.example.org/" + "x" * 300)
    body = body_of(check)
    assert len(body["description"]) == len(body["name"]) == 255
    assert body["description"].endswith("…")
    assert name_of("c" * 400) != name_of("c" * 399 + "d")
    assert "target_url" not in body
    short = body_of(attrs.evolve(check, details_url="https://ci.example.org/reviews/7"))
    assert short["target_url"] == "https://ci.example.org/reviews/7"
    assert "target_url" not in body_of(attrs.evolve(check, details_url="javascript:alert(1)"))


def test_an_end_without_a_conclusion_can_never_be_shown(scene: Scene) -> None:
    with pytest.raises(Unpublishable):
        body_of(scene.check("0" * 40, status=CheckStatus.COMPLETED))


async def test_a_limit_of_notes_is_obeyed(open_forge: OpenForge, scene: Scene) -> None:
    request = scene.request()
    scene.gitlab.limits.notes = 1
    async with open_forge() as forge:
        assert isinstance(await forge.comment(scene.repository, request.iid, "one", None), Published)
        answer = await forge.comment(scene.repository, request.iid, "two", None)
        assert isinstance(answer, PublishFailed)
        assert answer.limited
        assert answer.retry_after_seconds is not None
        assert 50 < answer.retry_after_seconds <= 61
        before = len(scene.gitlab.seen)
        await forge.comment(scene.repository, request.iid, "three", None)
        assert len(scene.gitlab.seen) == before, "nothing is sent until it is over"

"""Merge trains: what a pipeline was of, as GitLab shows it."""

from __future__ import annotations

import pytest
from tests.plugins.forge_gitlab.conftest import Scene
from tests.standins.github import faults
from tests.standins.github.git import Bare

from ekaci_core.api import (
    Branch,
    CommitSha,
    InfrastructureFault,
    MergeGroupAction,
    MergeGroupChanged,
    Published,
    TellsMergeGroups,
)
from ekaci_forge_gitlab.forge import GitLabForge

pytestmark = pytest.mark.anyio


async def test_a_train_stands_on_the_one_before_it(forge: GitLabForge, scene: Scene) -> None:
    acts = scene.gitlab.acts
    first, second = scene.request("one"), scene.request("two")
    ahead = acts.train(scene.place, first)
    behind = acts.train(scene.place, second, onto=ahead.sha)
    assert isinstance(forge, TellsMergeGroups)
    wanted = MergeGroupChanged(
        MergeGroupAction.CHECKS_REQUESTED, scene.repository, Branch("main"), CommitSha(ahead.sha),
        Branch("merge-requests/2/train"), CommitSha(behind.sha), "Wanda", "refs/merge-requests/2/train",
    )  # fmt: skip
    assert await forge.merge_group(scene.repository, behind.id) == wanted
    found = await forge.merge_group(scene.repository, ahead.id)
    assert found is not None
    assert found.base_sha == scene.main


@pytest.mark.parametrize("status", ["success", "failed", "canceled", "skipped"])
async def test_a_train_that_is_over_needs_no_checks(forge: GitLabForge, scene: Scene, status: str) -> None:
    pipeline = scene.gitlab.acts.train(scene.place, scene.request())
    pipeline.status = status
    found = await forge.merge_group(scene.repository, pipeline.id)
    assert found is not None
    assert found.action is MergeGroupAction.DESTROYED


async def test_other_pipelines_of_a_merge_request_are_of_no_train(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request()
    detached = scene.gitlab.acts.pipeline(scene.place, request)
    assert await forge.merge_group(scene.repository, detached.id) is None
    detached.ref = f"refs/merge-requests/{request.iid}/merge"
    assert await forge.merge_group(scene.repository, detached.id) is None
    assert await forge.merge_group(scene.repository, 4711) is None


async def test_a_train_without_merge_commits_is_compared_with_its_target(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request()
    pipeline = scene.gitlab.acts.train(scene.place, request)
    pipeline.sha = request.sha
    found = await forge.merge_group(scene.repository, pipeline.id)
    assert found is not None
    assert found.base_sha == scene.main


async def test_without_an_answer_nothing_is_said_of_it(forge: GitLabForge, scene: Scene) -> None:
    pipeline = scene.gitlab.acts.train(scene.place, scene.request())
    scene.gitlab.fail(faults.status(403, path=".*/repository/commits/.*"))
    with pytest.raises(InfrastructureFault, match="403"):
        await forge.merge_group(scene.repository, pipeline.id)


async def test_statuses_of_a_train_stand_in_its_pipeline(forge: GitLabForge, scene: Scene) -> None:
    pipeline = scene.gitlab.acts.train(scene.place, scene.request())
    assert Bare(scene.place.folder).sha("refs/merge-requests/1/train") == pipeline.sha
    assert isinstance(await forge.publish(scene.check(pipeline.sha), None), Published)
    (status,) = scene.place.standing(pipeline.sha)
    assert status.pipeline is pipeline

"""GitLab keeps the contract of forges, at a stand-in that checks every request against GitLab's documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.plugins.forge_gitlab.gitlab_laboratory import SIGNING, GitLabScene, GivenToken, gitlab_laboratory
from tests.standins.gitlab.server import running_gitlab

from ekaci_core.testing.forge_laboratory import ForgeLaboratory, RecordingLogger
from ekaci_core.testing.forge_webhooks import WebhookConformance
from ekaci_core.testing.forges import ForgeConformance, forge_context


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLabScene]:
    with running_gitlab(tmp_path_factory.mktemp("gitlab")) as gitlab:
        yield GitLabScene(gitlab)


@pytest.fixture(scope="module")
def signing_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLabScene]:
    with running_gitlab(tmp_path_factory.mktemp("gitlab")) as gitlab:
        yield GitLabScene(gitlab, SIGNING)


class TestGitLab(ForgeConformance):
    signs_bodies = False
    scopes_clones = False

    @pytest.fixture
    async def laboratory(self, scene: GitLabScene, forge_log: RecordingLogger) -> AsyncIterator[ForgeLaboratory]:
        context = forge_context(forge_log, GivenToken(scene))
        async with gitlab_laboratory(scene, context) as laboratory:
            yield laboratory


class TestGitLabThatSigns(WebhookConformance):
    """The same with webhooks that sign what they send."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    async def laboratory(self, signing_scene: GitLabScene) -> AsyncIterator[ForgeLaboratory]:
        context = forge_context(RecordingLogger(), GivenToken(signing_scene))
        async with gitlab_laboratory(signing_scene, context) as laboratory:
            yield laboratory

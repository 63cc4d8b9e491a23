"""GitHub keeps the contract of forges, at a stand-in that checks every request against GitHub's description."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.plugins.forge_github.github_laboratory import GitHubScene, GivenKey, github_laboratory
from tests.standins.github.server import running_github

from ekaci_core.testing.forge_laboratory import ForgeLaboratory, RecordingLogger
from ekaci_core.testing.forges import ForgeConformance, forge_context


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHubScene]:
    with running_github(tmp_path_factory.mktemp("github")) as github:
        yield GitHubScene(github)


class TestGitHub(ForgeConformance):
    @pytest.fixture
    async def laboratory(self, scene: GitHubScene, forge_log: RecordingLogger) -> AsyncIterator[ForgeLaboratory]:
        context = forge_context(forge_log, GivenKey(scene.app.id, scene.app.private_key))
        async with github_laboratory(scene, context) as laboratory:
            yield laboratory

"""Gitea and Forgejo keep the contract of forges, at a stand-in that checks every request against the description."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.plugins.forge_gitea.gitea_laboratory import GiteaScene, gitea_laboratory
from tests.standins.gitea.server import running_gitea

from ekaci_core.testing.forge_laboratory import ForgeLaboratory, RecordingLogger
from ekaci_core.testing.forges import ForgeConformance, forge_context


@pytest.fixture(scope="module", params=["gitea", "forgejo"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GiteaScene]:
    with running_gitea(tmp_path_factory.mktemp(request.param), request.param) as gitea:
        yield GiteaScene(gitea)


class TestGitea(ForgeConformance):
    scopes_clones = False

    @pytest.fixture
    async def laboratory(self, scene: GiteaScene, forge_log: RecordingLogger) -> AsyncIterator[ForgeLaboratory]:
        context = forge_context(forge_log, scene.source)
        async with gitea_laboratory(scene, context) as laboratory:
            yield laboratory

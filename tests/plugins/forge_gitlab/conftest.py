"""A stand-in GitLab with one project in nested groups, and the forge open at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import pytest
from tests.standins.github.git import Bare
from tests.standins.gitlab.records import DEVELOPER, MAINTAINER, OWNER, Account, MergeRequest, Project, Token
from tests.standins.gitlab.server import GitLab, running_gitlab

from ekaci_core.api import Check, CheckStatus, CommitSha, PluginContext, RepositoryId, Secret
from ekaci_core.testing.builders import plugin_context
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_gitlab.config import GitLabConfig
from ekaci_forge_gitlab.forge import GitLabForge
from ekaci_forge_gitlab.kind import GitLabType

SECRET = "a secret of the webhook"  # noqa: S105 - of the stand-in

OpenForge = Callable[..., AbstractAsyncContextManager[GitLabForge]]
"""Opens the forge; arguments change its configuration."""


@attrs.define
class Scene:
    """What stands at the stand-in."""

    gitlab: GitLab
    place: Project
    bot: Account
    token: Token

    @property
    def repository(self) -> RepositoryId:
        return RepositoryId.parse(self.gitlab.host, self.place.path)

    @property
    def main(self) -> CommitSha:
        return CommitSha(Bare(self.place.folder)("rev-parse", "refs/heads/main"))

    def request(self, branch: str = "topic", *, source: Project | None = None, by: str = "wanda") -> MergeRequest:
        """Open a merge request of a new commit."""
        self.gitlab.acts.push(source or self.place, {branch: branch}, branch=branch, by=by)
        return self.gitlab.acts.open(self.place, branch, by=by, source=source)

    def check(self, sha: str, **changes: Any) -> Check:
        made = Check(self.repository, CommitSha(sha), "EkaCI: Verdict", CheckStatus.IN_PROGRESS, title="Building")
        return attrs.evolve(made, **changes)

    def asked(self, method: str, path: str) -> int:
        """Count the requests whose path ends so."""
        return sum(each.method == method and each.path.endswith(path) for each in self.gitlab.seen)


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_gitlab(tmp_path_factory.mktemp("gitlab")) as gitlab:
        world = gitlab.world
        bot = world.account("project_7_bot_a1")
        world.group("octo", {"olga": OWNER})
        world.group("octo/tools", {"gustav": DEVELOPER})
        members = {bot.username: MAINTAINER, "wanda": DEVELOPER}
        place = world.project("octo/tools/place", files={"a.nix": "{ }\n"}, members=members)
        yield Scene(gitlab, place, bot, world.token(bot))


@pytest.fixture
def log() -> RecordingLogger:
    return RecordingLogger()


@pytest.fixture
def context(log: RecordingLogger) -> PluginContext:
    return attrs.evolve(plugin_context({}), log=log)


@pytest.fixture
def open_forge(scene: Scene, context: PluginContext) -> OpenForge:
    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[GitLabForge]:
        fields: dict[str, Any] = {
            "id": "main",
            "domain": scene.gitlab.host,
            "scheme": "http",
            "token": Secret(scene.token.value),
            "webhook_secret": Secret(SECRET),
        }
        async with GitLabType().open(GitLabConfig(**(fields | changes)), context) as forge:
            yield forge

    return opened


@pytest.fixture
async def forge(open_forge: OpenForge) -> AsyncIterator[GitLabForge]:
    async with open_forge() as forge:
        yield forge

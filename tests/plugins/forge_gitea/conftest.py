"""A small stand-in with one repository, and the forge open at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import pytest
from tests.standins.gitea.records import Repository
from tests.standins.gitea.server import Gitea, running_gitea

from ekaci_core.api import PluginContext, RepositoryId, Secret
from ekaci_core.testing.builders import plugin_context
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_gitea.config import GiteaConfig
from ekaci_forge_gitea.forge import GiteaForge
from ekaci_forge_gitea.kind import GiteaType

OpenForge = Callable[..., AbstractAsyncContextManager[GiteaForge]]
"""Opens the forge; arguments change its configuration."""


@attrs.define
class Small:
    """A stand-in, and a repository that EkaCI administers there."""

    gitea: Gitea
    place: Repository
    token: str = attrs.field(repr=False)

    @property
    def id(self) -> RepositoryId:
        return RepositoryId(self.gitea.host, self.place.full_name)

    def asked(self, method: str, end: str = "") -> int:
        """Count requests."""
        return sum(each.method == method and each.path.endswith(end) for each in self.gitea.seen)


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    with running_gitea(tmp_path_factory.mktemp("gitea")) as gitea:
        place = gitea.world.repository("octo/place", files={"a.nix": "{ }\n"}, roles={"ekaci": "admin", "ada": "write"})
        yield Small(gitea, place, gitea.world.token("ekaci").value)


@pytest.fixture
def notes() -> RecordingLogger:
    return RecordingLogger()


@pytest.fixture
def context(notes: RecordingLogger) -> PluginContext:
    return attrs.evolve(plugin_context({}), log=notes)


@pytest.fixture
def open_forge(small: Small, context: PluginContext) -> OpenForge:
    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[GiteaForge]:
        fields: dict[str, Any] = {
            "id": "main",
            "domain": small.gitea.host,
            "scheme": "http",
            "token": Secret(small.token),
            "webhook_secret": Secret("a secret"),
        }
        async with GiteaType().open(GiteaConfig(**(fields | changes)), context) as forge:
            yield forge

    return opened


@pytest.fixture
async def forge(open_forge: OpenForge) -> AsyncIterator[GiteaForge]:
    async with open_forge() as forge:
        yield forge

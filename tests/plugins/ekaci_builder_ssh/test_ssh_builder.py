from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from ekaci_builder_ssh.builder import SshBuilder
from ekaci_builder_ssh.kind import SshBuilderConfig, SshBuilderType
from ekaci_core.testing.builders import BuilderConformance, plugin_context

if TYPE_CHECKING:
    from tests.plugins.ekaci_builder_ssh.conftest import RemoteMachine

pytestmark = pytest.mark.nix


def config_for(remote: RemoteMachine, scheme: str, **changes: Any) -> SshBuilderConfig:
    config = SshBuilderConfig(
        uri=remote.uri(scheme), max_jobs=4, ssh_key=str(remote.user_key), host_key=remote.host_key
    )
    return attrs.evolve(config, **changes)


class TestSshNg(BuilderConformance):
    @pytest.fixture
    async def builder(self, remote: RemoteMachine) -> AsyncIterator[SshBuilder]:
        async with SshBuilderType().open(config_for(remote, "ssh-ng"), plugin_context(remote.environment)) as builder:
            yield builder

    @pytest.fixture
    def store_environment(self, nix_environment: dict[str, str]) -> Mapping[str, str]:
        return nix_environment

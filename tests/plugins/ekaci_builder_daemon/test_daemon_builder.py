"""Builds through a real daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from ekaci_builder_daemon.builder import DaemonBuilder
from ekaci_builder_daemon.kind import DaemonBuilderConfig, DaemonBuilderType
from ekaci_core.testing.builders import BuilderConformance, plugin_context

pytestmark = [pytest.mark.nix, pytest.mark.anyio]


@pytest.fixture
async def builder(daemon_socket: Path, nix_environment: Mapping[str, str]) -> AsyncIterator[DaemonBuilder]:
    config = DaemonBuilderConfig(socket=str(daemon_socket))
    async with DaemonBuilderType().open(config, plugin_context(nix_environment)) as builder:
        yield builder


class TestThroughTheSocket(BuilderConformance):
    @pytest.fixture
    async def builder(self, builder: DaemonBuilder) -> DaemonBuilder:
        return builder

    @pytest.fixture
    def store_environment(self, nix_environment: dict[str, str]) -> Mapping[str, str]:
        return nix_environment

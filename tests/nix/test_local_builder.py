from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest

from ekaci_core.builtin.local_builder import LocalBuilder, LocalBuilderConfig, LocalBuilderType
from ekaci_core.testing.builders import BuilderConformance, plugin_context

pytestmark = pytest.mark.nix


class TestLocalBuilder(BuilderConformance):
    @pytest.fixture
    async def builder(self, store_environment: Mapping[str, str]) -> AsyncIterator[LocalBuilder]:
        async with LocalBuilderType().open(LocalBuilderConfig(), plugin_context(store_environment)) as builder:
            yield builder

    @pytest.fixture
    def store_environment(self, nix_environment: dict[str, str]) -> Mapping[str, str]:
        return nix_environment

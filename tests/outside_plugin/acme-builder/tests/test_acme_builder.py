"""The contract of builders."""

import os
from collections.abc import AsyncIterator, Mapping

import pytest
from acme_builder.plugin import AcmeConfig, AcmeType

from ekaci_core.api import Builder
from ekaci_core.testing.builders import BuilderConformance, plugin_context

pytestmark = pytest.mark.anyio


class TestAcme(BuilderConformance):
    @pytest.fixture
    def store_environment(self) -> Mapping[str, str]:
        return dict(os.environ)

    @pytest.fixture
    async def builder(self, store_environment: Mapping[str, str]) -> AsyncIterator[Builder]:
        async with AcmeType().open(AcmeConfig(), plugin_context(store_environment)) as builder:
            yield builder

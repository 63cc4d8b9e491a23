"""The contract of caches, kept by Attic over HTTP and by its program, by a real Attic server, and by Cachix."""

from __future__ import annotations

import pytest
from tests.plugins.ekaci_cache_backends.attic_and_cachix.attic_laboratory import AtticLaboratory, RealAtticLaboratory
from tests.plugins.ekaci_cache_backends.attic_and_cachix.cachix_laboratory import CachixLaboratory

from ekaci_core.testing.caches import CacheConformance


@pytest.mark.nix
class TestAtticOverHttp(CacheConformance):
    @pytest.fixture
    async def laboratory(self, attic_over_http: AtticLaboratory) -> AtticLaboratory:
        return attic_over_http


@pytest.mark.nix
class TestAtticByProgram(CacheConformance):
    @pytest.fixture
    async def laboratory(self, attic_by_program: AtticLaboratory) -> AtticLaboratory:
        return attic_by_program


@pytest.mark.nix
class TestRealAttic(CacheConformance):
    @pytest.fixture
    async def laboratory(self, real_attic_laboratory: RealAtticLaboratory) -> RealAtticLaboratory:
        return real_attic_laboratory


@pytest.mark.nix
class TestCachix(CacheConformance):
    @pytest.fixture
    async def laboratory(self, cachix: CachixLaboratory) -> CachixLaboratory:
        return cachix

"""Folders as binary caches: the contract, and that they are what Nix itself writes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import attrs
import pytest
from tests.plugins.ekaci_cache_backends.conftest import KeyPair
from tests.plugins.ekaci_cache_backends.workshop import Workshop, whole_paths

from ekaci_cache_backends.nix_copy import plugin
from ekaci_cache_backends.nix_copy.config import NixCopyConfig
from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_core.api import Cache, CredentialUse, StorePath
from ekaci_core.testing.cache_laboratory import CacheLaboratory, Trouble
from ekaci_core.testing.cache_witness import CacheWitness
from ekaci_core.testing.caches import CacheConformance

pytestmark = [pytest.mark.anyio, pytest.mark.nix]


@attrs.frozen
class FolderLaboratory:
    """A folder; its trouble is that it goes away."""

    witness: CacheWitness
    workshop: Workshop
    folder: Path
    troubles: frozenset[Trouble] = frozenset({Trouble.UNREACHABLE})
    says_order: bool = False

    def open(self) -> AbstractAsyncContextManager[Cache]:
        config = NixCopyConfig(
            id="folder", destination=f"file://{self.folder}", signing_key=CredentialUse("key"), timeout_seconds=2
        )
        return NixCopyType().open(config, self.witness.context)

    async def path(self, *references: StorePath) -> StorePath:
        return await self.workshop.path(*references)

    async def held(self) -> Sequence[StorePath]:
        return whole_paths(self.folder)

    async def make(self, trouble: Trouble) -> None:
        assert trouble is Trouble.UNREACHABLE
        self.folder.parent.rename(self.folder.parent.with_name("gone"))


@pytest.fixture
def folder_laboratory(workshop: Workshop, key_pair: KeyPair, tmp_path: Path) -> FolderLaboratory:
    (tmp_path / "disk").mkdir()
    witness = CacheWitness(workshop.environment, leases={"key": [{"NIX_SIGNING_KEY": key_pair.secret}]})
    return FolderLaboratory(witness, workshop, tmp_path / "disk" / "cache")


class TestFolder(CacheConformance):
    @pytest.fixture
    async def laboratory(self, folder_laboratory: FolderLaboratory) -> CacheLaboratory:
        return folder_laboratory


def test_ekaci_register_cache_types_gives_nix_copy() -> None:
    (kind,) = plugin.ekaci_register_cache_types()
    assert (kind.name, kind.config) == ("nix-copy", NixCopyConfig)

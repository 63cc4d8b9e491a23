"""The contract of binary caches."""

import os
import subprocess
import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import attrs
import pytest
from acme_cache.plugin import AcmeConfig, AcmeType

from ekaci_core.api import Cache, CredentialUse, StorePath
from ekaci_core.testing.cache_laboratory import CacheLaboratory, Trouble
from ekaci_core.testing.cache_witness import CacheWitness
from ekaci_core.testing.caches import CacheConformance

pytestmark = pytest.mark.anyio


def output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@attrs.frozen
class FolderLaboratory:
    """A folder below another; what can be wrong is that this one is gone."""

    witness: CacheWitness
    folder: Path
    troubles: frozenset[Trouble] = frozenset({Trouble.UNREACHABLE})
    says_order: bool = True

    def open(self) -> AbstractAsyncContextManager[Cache]:
        config = AcmeConfig(id="mine", destination=str(self.folder / "cache"), credentials=CredentialUse("key"))
        return AcmeType().open(config, self.witness.context)

    async def path(self, *references: StorePath) -> StorePath:
        quoted = " ".join(f'(builtins.storePath "{each}")' for each in references)
        script = f'"echo {uuid.uuid4().hex} ${{toString [ {quoted} ]}} > $out"'
        made = f'name = "new"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" {script} ];'
        text = f"derivation {{ {made} }}"
        return StorePath(output("nix-build", "--no-out-link", "--expr", text))

    async def held(self) -> Sequence[StorePath]:
        files = sorted(self.folder.glob("cache/*.narinfo"), key=lambda file: file.stat().st_mtime_ns)
        return [StorePath(file.read_text().split()[1]) for file in files]

    async def make(self, trouble: Trouble) -> None:
        self.folder.rename(self.folder.with_name(f"{trouble.value}-now"))
        self.folder.write_text("in the way")


class TestAcme(CacheConformance):
    @pytest.fixture
    async def laboratory(self, tmp_path: Path) -> CacheLaboratory:
        files = [str(tmp_path / name) for name in ("key", "key.pub")]
        output("nix-store", "--generate-binary-cache-key", "acme-1", *files)
        (tmp_path / "disk").mkdir()
        key = output("cat", files[0])
        witness = CacheWitness(dict(os.environ), leases={"key": [{"NIX_SIGNING_KEY": key}]})
        return FolderLaboratory(witness, tmp_path / "disk")

"""A store to push from, and a key to sign with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest
from tests.plugins.ekaci_cache_backends.workshop import Workshop


@attrs.frozen
class KeyPair:
    """A key of Nix."""

    secret: str = attrs.field(repr=False)
    public: str


@pytest.fixture
def workshop(nix_environment: Mapping[str, str], tmp_path: Path) -> Workshop:
    folder = tmp_path / "workshop"
    folder.mkdir()
    return Workshop(nix_environment, folder)


@pytest.fixture
async def key_pair(workshop: Workshop, tmp_path: Path) -> KeyPair:
    files = [tmp_path / name for name in ("key", "key.pub")]
    await workshop.nix("nix-store", "--generate-binary-cache-key", "cache-1", *map(str, files))
    return KeyPair(*(file.read_text() for file in files))

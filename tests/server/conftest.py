"""The example package set at a forge that does as it is told."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from ekaci_core.api import ForgeCapability, RepositoryId
from ekaci_core.testing.scripted_forge import HOST, ScriptedForge
from ekaci_core.testing.server_harness import Origin

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def origin(tmp_path: Path, nix_environment: Mapping[str, str]) -> Origin:
    """The example package set on ``main``."""
    path = tmp_path / "origin/packages"
    path.mkdir(parents=True)
    forge = ScriptedForge(capabilities=list(ForgeCapability))
    forge.clone_url = str(path)
    made = Origin(path, nix_environment, forge, RepositoryId.parse(HOST, "owner/packages"))
    made.git("init", "--quiet", "--initial-branch=main")
    shutil.copytree(EXAMPLES / "package-set", path, dirs_exist_ok=True)
    lib = path / "lib.nix"
    salt = uuid.uuid4().hex
    text = lib.read_text().replace('echo "building $name"', f'echo "building $name {salt}"')
    lib.write_text(text.replace('echo "fetching $name"', f'echo "fetching $name {salt}"'))
    made.commit("The package set")
    return made

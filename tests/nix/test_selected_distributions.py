"""An operator who installs the core, one forge and one kind of cache needs nothing of what others use."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SELECTED = ("ekaci_core", "ekaci_forge_gitea", "ekaci_cache_backends")
OTHERS = ("hvac", "boto3", "botocore", "gidgethub", "gidgetlab")
CONFIGURATION = """
[security]
webhook_secret = "not-a-real-one"

[[gitea_instances]]
id = "mine"
domain = "git.example.org"
token = "not-a-real-one"

[[caches]]
id = "folder"
cache_type = "nix-copy"
destination = "file:///srv/cache"
credentials = "none"
"""
LOADED = f"""
import os, sys
from ekaci_core.registry import load_registry
from ekaci_core.telemetry import LOG
from ekaci_core.server import serving
registry = load_registry(os.environ, LOG)
assert not registry.rejected, registry.rejected
print(sorted(set({OTHERS!r}) & set(sys.modules)))
"""

pytestmark = [pytest.mark.nix, pytest.mark.timeout(600)]


def run(*argv: str | Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(list(map(str, argv)), env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copies, folder = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("environment") / "venv"
    for name in SELECTED:
        shutil.copytree(ROOT / name, copies / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    run(sys.executable, "-m", "venv", folder)
    wanted = [f"{copies}/ekaci_core[cli]", *(f"{copies}/{name}" for name in SELECTED[1:])]
    run(folder / "bin/python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *wanted)
    return folder


def test_nothing_of_other_plugins_is_installed_or_imported(
    environment: Path, nix_environment: Mapping[str, str], tmp_path: Path
) -> None:
    listed = json.loads(run(environment / "bin/python", "-m", "pip", "list", "--format", "json"))
    assert not {each["name"].lower() for each in listed}.intersection(OTHERS)
    assert run(environment / "bin/python", "-c", LOADED, env=nix_environment).strip() == "[]"
    (tmp_path / "ekaci.toml").write_text(CONFIGURATION)
    run(environment / "bin/ekaci", "config", "check", tmp_path / "ekaci.toml", env=nix_environment)


def test_what_is_not_there_is_named(environment: Path, nix_environment: Mapping[str, str], tmp_path: Path) -> None:
    vault = '{ vault = { address = "https://127.0.0.1:8200", secret_path = "secret/data/x" } }'
    table = CONFIGURATION.replace('"none"', vault)
    (tmp_path / "ekaci.toml").write_text(table)
    argv = [str(environment / "bin/ekaci"), "config", "check", str(tmp_path / "ekaci.toml")]
    done = subprocess.run(argv, env=nix_environment, capture_output=True, text=True, check=False)
    assert "no active plugin brings the credential source vault" in done.stdout + done.stderr

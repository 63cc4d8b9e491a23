"""Plugins as people outside write them: installed beside wheels of the core, they pass the kits and are active."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from script import skeletons

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "tests/outside_plugin"
NAMES = sorted(folder.name for folder in PLUGINS.iterdir() if folder.is_dir())

pytestmark = [pytest.mark.nix, pytest.mark.timeout(600)]


def run(*argv: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(list(map(str, argv)), env=env, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of the core and of each plugin, made from copies: nothing is written beside the sources."""
    folder, copies = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("sources")
    sources = [ROOT / "ekaci_core", *(PLUGINS / name for name in NAMES)]
    for source in sources:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "dist")
        shutil.copytree(source, copies / source.name, ignore=ignored)
    run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, *(copies / each.name for each in sources)
    )
    return folder


@pytest.fixture(scope="module")
def environment(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with these and what tests need, and nothing of this checkout."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", folder)
    (core,) = wheels.glob("ekaci_core-*.whl")
    wanted: list[str | Path] = [f"{core}[cli,testing]", *(each for each in wheels.glob("*.whl") if each != core)]
    run(folder / "bin/python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *wanted)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_each_is_short_and_passes_its_kit(
    name: str, environment: Path, nix_environment: Mapping[str, str], tmp_path: Path
) -> None:
    for file in (PLUGINS / name / "src").rglob("*.py"):
        assert len(file.read_text().splitlines()) < 120
    shutil.copytree(PLUGINS / name / "tests", tmp_path / "tests")
    passes(environment, nix_environment, tmp_path)


def passes(environment: Path, nix_environment: Mapping[str, str], folder: Path) -> None:
    """Run the tests of a folder, in the clean environment."""
    given = {**nix_environment, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder / "src")}
    told = run(environment / "bin/python", "-m", "pytest", "-q", "tests", env=given, cwd=folder)
    assert " passed" in told


@pytest.mark.parametrize("kind", ["cache", "credential"])  # the others differ by no more than their texts
def test_what_the_command_writes_passes_its_kit_too(
    kind: str, environment: Path, nix_environment: Mapping[str, str], tmp_path: Path
) -> None:
    name = f"our-own-{kind}"
    run(environment / "bin/ekaci", "plugins", "new", name, "--kind", kind, env=nix_environment, cwd=tmp_path)
    (plugin,) = (tmp_path / name / "src").rglob("plugin.py")
    assert plugin.parent.name == f"our_own_{kind}"
    assert "cme" not in plugin.read_text()
    passes(environment, nix_environment, tmp_path / name)


def test_what_the_command_copies_is_as_it_stands_here() -> None:
    assert json.loads(skeletons.WRITTEN.read_text()) == skeletons.skeletons(), "run script/skeletons.py"


def test_all_are_active(environment: Path, nix_environment: Mapping[str, str]) -> None:
    told = run(environment / "bin/ekaci", "plugins", "--json", env=nix_environment)
    found = {each["distribution"]: each for each in json.loads(told)["plugins"]}
    for name in NAMES:
        assert found[name]["state"] == "active", found[name]
        assert found[name]["registers"]

"""The checkout as these tests read it."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen
class Module:
    """A source file of a distribution."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def shown(self) -> str:
        """Its path, relative to the checkout."""
        return str(self.path.relative_to(ROOT))

    @property
    def package(self) -> str:
        """The package of the core that it stands in; empty at the top."""
        parts = self.path.relative_to(ROOT).parts
        below = parts[parts.index("src") + 2 :]
        return below[0] if len(below) > 1 else ""


def tracked_files() -> list[Path]:
    """The files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files belong to it")
    return tracked_files()


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    paths = sorted(
        path for pattern in ("*/src", "plugins/*/src") for each in ROOT.glob(pattern) for path in each.rglob("*.py")
    )
    texts = [(path, path.read_text("utf-8")) for path in paths]
    return [Module(path, text, ast.parse(text)) for path, text in texts]

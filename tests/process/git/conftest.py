"""Real repositories, made by the git command."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


class Workbench:
    """A repository in a directory, driven as a person would."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.top,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> Path:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def commit(self, path: str = "file", text: str = "content\n") -> str:
        self.write(path, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"{path}: {text.strip()}")
        return self.git("rev-parse", "HEAD")

    def refs(self) -> str:
        return self.git("for-each-ref") + self.git("worktree", "list")


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., Workbench]:
    def make(name: str = "project", *options: str) -> Workbench:
        top = tmp_path / name
        top.mkdir(parents=True)
        bench = Workbench(top)
        bench.git("init", "--quiet", *options)
        return bench

    return make


@pytest.fixture
def bench(make_repository: Callable[..., Workbench]) -> Workbench:
    """A repository with one commit on ``main``."""
    made = make_repository()
    made.commit()
    return made


@pytest.fixture
def clone(bench: Workbench, tmp_path: Path) -> Callable[..., Workbench]:
    def make(*options: str) -> Workbench:
        top = tmp_path / "clone"
        bench.git("clone", "--quiet", *options, bench.top.as_uri(), str(top))
        return Workbench(top)

    return make

"""A repository to review: the example package set and its pull request."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
EKACI = str(Path(sys.executable).parent / "ekaci")


@attrs.frozen
class Finished:
    """How ``ekaci`` ended. A negative status is the signal that ended it."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The report, where it was asked for as JSON."""
        loaded: dict[str, Any] = json.loads(self.stdout)
        return loaded


@attrs.frozen
class ReviewedRepository:
    """A git repository, and ``ekaci review`` to run on it as a person would: the real command in a process."""

    path: Path
    environment: Mapping[str, str]

    @property
    def cache(self) -> Path:
        """Where reviews keep what they know."""
        return Path(self.environment["XDG_CACHE_HOME"]) / "ekaci"

    def git(self, *arguments: str) -> str:
        """Run git and return what it printed."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=dict(self.environment), check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, files: Mapping[str, str | None]) -> None:
        """Write these files (None removes one) and commit."""
        for name, text in files.items():
            target = self.path / name
            if text is None:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a review in a session of its own."""
        return subprocess.Popen(
            [EKACI, "review", *arguments],
            cwd=self.path,
            env={**self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def review(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
        """Review to the end."""
        process = self.start(*arguments, environment=environment)
        stdout, stderr = process.communicate(timeout=100)
        return Finished(process.returncode, stdout, stderr)

    def logs(self, *arguments: str) -> Finished:
        """Print a log."""
        done = subprocess.run(
            [EKACI, "logs", *arguments], env=dict(self.environment), capture_output=True, text=True, check=False
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def review_killed_at(self, line: str, *arguments: str) -> Finished:
        """Review, and kill the process, as a power cut would, when this line of progress appears."""
        process = self.start(*arguments)
        assert process.stderr is not None
        seen = []
        for told in process.stderr:
            seen.append(told)
            if told.startswith(line):
                process.send_signal(signal.SIGKILL)
                break
        stdout, rest = process.communicate(timeout=100)
        return Finished(process.returncode, stdout, "".join(seen) + rest)


@pytest.fixture
def empty_repository(tmp_path: Path, nix_environment: Mapping[str, str]) -> ReviewedRepository:
    """A repository without a commit, and a cache of its own."""
    path = tmp_path / "set"
    path.mkdir()
    environment = {**nix_environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    repository = ReviewedRepository(path, environment)
    repository.git("init", "--quiet", "--initial-branch=main")
    return repository


@pytest.fixture
def package_set(empty_repository: ReviewedRepository) -> ReviewedRepository:
    """The example package set on ``main`` and its pull request, checked out.

    Its derivations are new each time: what an earlier run left in the store is of no use.
    """
    repository = empty_repository
    shutil.copytree(EXAMPLES / "package-set", repository.path, dirs_exist_ok=True)
    lib = repository.path / "lib.nix"
    text = lib.read_text()
    assert text.count('echo "building $name"') == 1
    assert text.count('echo "fetching $name"') == 1
    salt = uuid.uuid4().hex
    text = text.replace('echo "building $name"', f'echo "building $name {salt}"')
    lib.write_text(text.replace('echo "fetching $name"', f'echo "fetching $name {salt}"'))
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "The package set")
    repository.git("switch", "--quiet", "--create", "pull-request")
    repository.git("apply", "--index", str(EXAMPLES / "pull-request.patch"))
    repository.git("commit", "--quiet", "--message", "A bit of everything")
    return repository

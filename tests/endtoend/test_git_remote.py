"""A server at a bare repository: a push is all that it needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.endtoend.server_process import SERVER
from tests.endtoend.service import package_set
from tests.plugins.ekaci_forge_git.bare import PEOPLE

pytestmark = [pytest.mark.nix, pytest.mark.timeout(300)]

EKACI = str(Path(SERVER).with_name("ekaci"))
BUMP = '{ mkPackage }: mkPackage { pname = "tool"; version = "2"; build = "echo tool > $out"; }\n'
PATIENCE_SECONDS = 120.0


@attrs.define
class Remote:
    """A bare repository, a clone of it, and the server's process that looks at it."""

    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def git(self, *words: str) -> str:
        kept = {name: value for name, value in self.environment.items() if not name.startswith("GIT_")}
        argv = ["git", *words]
        clone = self.folder / "clone"
        return subprocess.run(argv, cwd=clone, env=kept | PEOPLE, check=True, stdout=subprocess.PIPE, text=True).stdout

    def ekaci(self, *words: str) -> str:
        argv = [EKACI, *words, "--socket", str(self.folder / "sock")]
        return subprocess.run(argv, env=self.environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def push(self, files: Mapping[str, str], ref: str) -> str:
        for name, text in files.items():
            path = self.folder / "clone" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "Bump the tool")
        self.git("push", "-q", "origin", f"HEAD:{ref}")
        self.ask_now()
        return self.git("rev-parse", "HEAD").strip()

    def ask_now(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def note(self, sha: str) -> str:
        self.git("fetch", "-q", "origin", "+refs/notes/*:refs/notes/*")
        done = subprocess.run(
            ["git", "notes", "--ref=ekaci", "show", sha],
            cwd=self.folder / "clone",
            check=False,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def start(self) -> None:
        (self.folder / "ekaci.toml").write_text(
            f"""
db_path = "{self.folder}/db/sqlite.db"
logs_dir = "{self.folder}/logs"
workspace_root = "{self.folder}/work"
shutdown_grace_seconds = 1

[web]
port = 0

[unix]
socket_path = "{self.folder}/sock"

[eval]
evaluator = "nix"
workers = 2

[[git_remotes]]
id = "packages"
url = "{self.folder}/packages.git"
cache_folder = "{self.folder}/copies"
notes = true
"""
        )
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [SERVER, "--config-file", str(self.folder / "ekaci.toml")],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self.wait(lambda: "listening at" in self.log)

    def wait(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert self.process is None or self.process.poll() is None, f"the server ended:\n{self.log}"
            assert time.monotonic() < until, f"it did not happen:\n{self.log}"
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def pulls(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = json.loads(self.ekaci("prs", "--json"))
        return found


@pytest.fixture
def remote(tmp_path: Path, nix_environment: Mapping[str, str]) -> Iterator[Remote]:
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "packages.git")], check=True)
    subprocess.run(["git", "clone", "-q", str(tmp_path / "packages.git"), str(tmp_path / "clone")], check=True)
    made = Remote(tmp_path, {**os.environ, **nix_environment})
    made.push(package_set(), "refs/heads/main")
    try:
        yield made
    finally:
        made.stop()
        assert "Traceback" not in made.log, made.log


def test_a_push_is_reviewed_a_second_one_supersedes_and_a_deleted_branch_closes(remote: Remote) -> None:
    remote.start()
    first = remote.push({"pkgs/tool.nix": BUMP}, "refs/heads/pr/one")
    remote.wait(lambda: "EkaCI: Verdict: success" in remote.note(first))
    assert "1 package added or changed builds" in remote.note(first)
    (pull,) = remote.pulls()
    assert pull["title"] == "Bump the tool"
    review = pull["review"]["id"]
    assert "tool" in remote.ekaci("jobset", str(review))
    second = remote.push({"pkgs/tool.nix": BUMP.replace("echo tool", "exit 1")}, "refs/heads/pr/one")
    remote.wait(lambda: "EkaCI: Verdict: failure" in remote.note(second))
    (pull,) = remote.pulls()
    assert pull["sha"] == second
    assert "EkaCI: Verdict: success" in remote.note(first), "what was said of the first push stands"
    remote.git("push", "-q", "origin", "--delete", "pr/one")
    remote.ask_now()
    remote.wait(lambda: remote.pulls() == [])

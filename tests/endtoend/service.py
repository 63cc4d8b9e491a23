"""The real server in a process of its own, and what stands at the stand-in GitHub."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
from tests.standins.github.git import Bare
from tests.standins.github.people import People
from tests.standins.github.records import App, CheckRun, Repository
from tests.standins.github.server import GitHub

ROOT = Path(__file__).parents[2]
SERVER = str(Path(sys.executable).parent / "eka-ci-server")
VERDICT = "EkaCI: Verdict"
SLOW = '{ mkPackage }: mkPackage { pname = "slow"; version = "1"; build = "/bin/sleep 300"; }\n'
SECRET = "between-the-two-canary"  # noqa: S105 - of the stand-in
PATIENCE_SECONDS = 90.0


def package_set() -> dict[str, str]:
    """The example package set; its derivations are new each time."""
    folder = ROOT / "examples/package-set"
    files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    salt = uuid.uuid4().hex
    for word in ("building", "fetching"):
        files["lib.nix"] = files["lib.nix"].replace(f'echo "{word} $name"', f'echo "{word} $name {salt}"')
    return files


@attrs.define
class Service:
    """The server's process. It can be started again."""

    github: GitHub
    app: App
    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    settings: str = ""
    credentials: str = ""
    grace_seconds: int = 1
    evaluator: str = "nix"
    mode: str = "webhook"
    secret: str | None = SECRET
    url: str = ""

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def start(self) -> None:
        key = self.folder / "key.pem"
        key.write_text(self.app.private_key)
        key.chmod(0o600)
        credentials = self.credentials or f'{{ github-app-key-file = {{ app_id_env = "MY_APP", key_file = "{key}" }} }}'
        (self.folder / "ekaci.toml").write_text(
            f"""
db_path = "{self.folder}/db/sqlite.db"
logs_dir = "{self.folder}/logs"
workspace_root = "{self.folder}/work"
shutdown_grace_seconds = {self.grace_seconds}
{self.settings}

[web]
port = 0

[unix]
socket_path = "{self.folder}/sock"

[eval]
evaluator = "{self.evaluator}"
workers = 2

[[github_apps]]
id = "test"
mode = "{self.mode}"
base_url = "{self.github.api}"
credentials = {credentials}
"""
        )
        environment = {**self.environment, "MY_APP": str(self.app.id)}
        if self.secret is not None:
            environment["WEBHOOK_SECRET"] = self.secret
        path = self.folder / "server.log"
        before = path.read_text().count("listening at") if path.exists() else 0
        with path.open("ab") as log:
            self.process = subprocess.Popen(
                [SERVER, "--config-file", str(self.folder / "ekaci.toml")],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self.wait(lambda: self.log.count("listening at") > before)
        self.url = re.findall(r"listening at (http://\S+)", self.log)[-1]
        self.app.webhook_url = f"{self.url}/github/webhook"

    def second(self) -> tuple[int, str]:
        """Start another server with the same configuration; return its status and what it says is wrong."""
        argv = [SERVER, "--config-file", str(self.folder / "ekaci.toml"), "--socket", str(self.folder / "other")]
        environment = {**self.environment, "MY_APP": str(self.app.id), "WEBHOOK_SECRET": SECRET}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
        line = next(each for each in done.stderr.splitlines() if each.startswith("ekaci:"))
        return done.returncode, line.rpartition(": ")[2]

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"it did not stop:\n{self.log}") from None

    def wait(self, holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        until = time.monotonic() + seconds
        while not holds():
            assert self.process is None or self.process.poll() is None, f"the server ended:\n{self.log}"
            assert time.monotonic() < until, f"it did not happen:\n{self.log}\n{self.shown()}"
            time.sleep(0.05)

    def nix_store(self, *words: str) -> str:
        """Run the Nix program of that name as the server would."""
        argv = ["nix-store", *words]
        return subprocess.run(argv, env=self.environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Read from the server's database, beside it."""
        with closing(sqlite3.connect(f"file:{self.folder}/db/sqlite.db?mode=ro", uri=True, timeout=20)) as connection:
            return connection.execute(query).fetchall()

    def states(self) -> list[str]:
        return [state for (state,) in self.ask("SELECT state FROM review ORDER BY id")]

    def rounds(self, sha: str) -> list[int]:
        return [number for (number,) in self.ask(f"SELECT round FROM review WHERE head_sha = '{sha}'")]  # noqa: S608

    def building(self) -> str:
        """Name what is being built."""
        return self._named("attempt.ended_at IS NULL")

    def built(self) -> str:
        """Name what was built."""
        return self._named("attempt.ended_at IS NOT NULL")

    def attempts(self, name: str) -> int:
        """Count the attempts at a derivation."""
        return f"{self.building()} {self.built()}".count(f"-{name}")

    def _named(self, which: str) -> str:
        joined = "SELECT d.path FROM attempt JOIN derivation AS d ON d.id = attempt.derivation"
        return " ".join(str(path) for (path,) in self.ask(f"{joined} WHERE {which}"))

    def shown(self) -> str:
        """Say which checks stand where."""
        lines = [
            f"{place.full_name} {run.head_sha[:8]} {run.name}: {run.status} {run.conclusion} {run.title}"
            for place in self.github.world.repositories.values()
            for run in place.checks.values()
        ]
        return "\n".join(lines)

    def checks(self, place: Repository, sha: str) -> dict[str, CheckRun]:
        with self.github.world.lock:
            return {each.name: each for each in place.checks.values() if each.head_sha == sha}

    def verdict(self, place: Repository, sha: str, conclusion: str, seconds: float = PATIENCE_SECONDS) -> CheckRun:
        """Wait for the verdict at a commit."""

        def is_there() -> bool:
            run = self.checks(place, sha).get(VERDICT)
            return run is not None and run.status == "completed" and run.conclusion == conclusion

        self.wait(is_there, seconds)
        return self.checks(place, sha)[VERDICT]


@attrs.define
class Scene:
    """A repository of the example package set, given to the App of the running server."""

    github: GitHub
    app: App
    place: Repository
    service: Service

    @property
    def people(self) -> People:
        """Who acts at GitHub."""
        return self.github.people

    @property
    def main(self) -> str:
        """The newest commit of the default branch."""
        return Bare(self.place.folder)("rev-parse", "refs/heads/main")

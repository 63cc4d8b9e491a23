"""The real server in a process of its own, and what stands at the stand-in GitHub."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

import attrs
from tests.endtoend.server_process import PATIENCE_SECONDS, SERVER, ServerProcess
from tests.standins.github.git import Bare
from tests.standins.github.people import People
from tests.standins.github.records import App, CheckRun, Repository
from tests.standins.github.server import GitHub

ROOT = Path(__file__).parents[2]
VERDICT = "EkaCI: Verdict"
SLOW = '{ mkPackage }: mkPackage { pname = "slow"; version = "1"; build = "/bin/sleep 300"; }\n'
SECRET = "between-the-two-canary"  # noqa: S105 - of the stand-in


def package_set() -> dict[str, str]:
    """The example package set; its derivations are new each time."""
    folder = ROOT / "examples/package-set"
    files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    salt = uuid.uuid4().hex
    for word in ("building", "fetching"):
        files["lib.nix"] = files["lib.nix"].replace(f'echo "{word} $name"', f'echo "{word} $name {salt}"')
    return files


@attrs.define
class Service(ServerProcess):
    """A server that works for the stand-in GitHub."""

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

    def start(self) -> None:
        key = self.folder / "key.pem"
        key.write_text(self.app.private_key)
        key.chmod(0o600)
        credentials = self.credentials or f'{{ github-app-key-file = {{ app_id_env = "MY_APP", key_file = "{key}" }} }}'
        self.configured(
            f"""
[[github_apps]]
id = "test"
mode = "{self.mode}"
base_url = "{self.github.api}"
credentials = {credentials}
"""
        )
        secret = {} if self.secret is None else {"WEBHOOK_SECRET": self.secret}
        self.launched({"MY_APP": str(self.app.id), **secret})
        self.app.webhook_url = f"{self.url}/github/webhook"

    def second(self) -> tuple[int, str]:
        """Start another server with the same configuration; return its status and what it says is wrong."""
        argv = [SERVER, "--config-file", str(self.folder / "ekaci.toml"), "--socket", str(self.folder / "other")]
        environment = {**self.environment, "MY_APP": str(self.app.id), "WEBHOOK_SECRET": SECRET}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
        line = next(each for each in done.stderr.splitlines() if each.startswith("ekaci:"))
        return done.returncode, line.rpartition(": ")[2]

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

"""The real server, working for a GitLab."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from tests.endtoend.gitlab_place import CALLBACK, GitLabPlace
from tests.endtoend.server_process import PATIENCE_SECONDS, ServerProcess
from tests.endtoend.service import SECRET, VERDICT

EKACI = str(Path(sys.executable).parent / "ekaci")
POLLING = 'mode = "poll"\npoll_seconds = 5'
MARK = "<!-- EkaCI: this comment is kept up to date -->"


@attrs.define
class GitLabService(ServerProcess):
    """A server that works for a project at a GitLab; its webhook is made by ``ekaci forge setup``, unless it polls."""

    place: GitLabPlace
    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    settings: str = ""
    grace_seconds: int = 1
    evaluator: str = "nix"
    polls: bool = False
    url: str = ""

    def start(self) -> None:
        parts = urlsplit(self.place.url)
        self.configured(
            f"""
[[gitlab_instances]]
id = "test"
domain = "{parts.netloc}"
scheme = "{parts.scheme}"
credentials = {{ env = {{ vars = ["GITLAB_TOKEN"] }} }}
permissions = {{ allow_all = false, allowed_repos = ["{self.place.path.partition("/")[0]}/*"] }}
{POLLING if self.polls else ""}
""",
            address="127.0.0.1" if CALLBACK == "127.0.0.1" else "0.0.0.0",  # noqa: S104 - to be reached by GitLab
        )
        self.launched({"GITLAB_TOKEN": self.place.tokens.server, "WEBHOOK_SECRET": SECRET})
        if self.polls:
            return
        port = urlsplit(self.url).port
        (told,) = json.loads(self.run("forge", "setup", "test", self.place.path, "--url", f"http://{CALLBACK}:{port}"))
        assert [each["well"] for each in told["findings"]] == [True], told

    def run(self, *words: str) -> str:
        """Run a command against the server, which answers in JSON."""
        environment = {**self.environment, "EKA_CI_UNIX__SOCKET_PATH": str(self.folder / "sock")}
        argv = [EKACI, *words, "--json"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, (done, self.log)
        return done.stdout

    def shown(self) -> str:
        """Say which reviews there are."""
        return str(self.ask("SELECT head_sha, state, decision FROM review"))

    def verdict(self, sha: str, state: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for the verdict at a commit, in GitLab's words."""
        self.wait(lambda: self.place.statuses(sha).get(VERDICT, {}).get("status") == state, seconds)
        return self.place.statuses(sha)[VERDICT]

    def told(self, request: int) -> list[str]:
        """Return our own notes on a merge request."""
        return [each["body"] for each in self.place.notes(request) if MARK in each["body"]]

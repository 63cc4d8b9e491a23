"""The real server, working for a Gitea."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from tests.endtoend.gitea_place import CALLBACK, GiteaPlace
from tests.endtoend.server_process import PATIENCE_SECONDS, ServerProcess
from tests.endtoend.service import SECRET, VERDICT

EKACI = str(Path(sys.executable).parent / "ekaci")


@attrs.define
class GiteaService(ServerProcess):
    """A server that works for a repository at a Gitea; its webhook is made by ``ekaci forge setup``."""

    place: GiteaPlace
    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    settings: str = ""
    grace_seconds: int = 1
    evaluator: str = "nix"
    mode: str = "webhook"
    url: str = ""

    def start(self) -> None:
        parts = urlsplit(self.place.url)
        # The table has no token: that of the variable is for it.
        self.configured(
            f"""
[[gitea_instances]]
id = "test"
mode = "{self.mode}"
domain = "{parts.netloc}"
scheme = "{parts.scheme}"
permissions = {{ allow_all = false, allowed_repos = ["{self.place.octo.login}/*"] }}
""",
            address="127.0.0.1" if CALLBACK == "127.0.0.1" else "0.0.0.0",  # noqa: S104 - to be reached by Gitea
        )
        self.launched({"GITEA_TOKEN": self.place.ekaci.token, "GITEA_DOMAIN": parts.netloc, "WEBHOOK_SECRET": SECRET})
        if self.mode == "webhook":
            (told,) = self.set_up()
            assert [each["well"] for each in told["findings"]] == [True], told

    def set_up(self) -> list[dict[str, Any]]:
        """Make the webhook, or correct it."""
        port = urlsplit(self.url).port
        words = ("forge", "setup", "test", self.place.path, "--url", f"http://{CALLBACK}:{port}")
        found: list[dict[str, Any]] = json.loads(self.run(*words))
        return found

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
        """Wait for the verdict at a commit, in Gitea's words."""
        self.wait(lambda: self.place.statuses(sha).get(VERDICT, {}).get("status") == state, seconds)
        return self.place.statuses(sha)[VERDICT]

    def comment(self, number: int, *words: str) -> dict[str, Any]:
        """Wait until our one comment has all these words in it."""

        def says_so() -> bool:
            found = self.place.comments(number)
            return len(found) == 1 and all(word in found[0]["body"] for word in words)

        self.wait(says_so)
        (found,) = self.place.comments(number)
        return dict(found)

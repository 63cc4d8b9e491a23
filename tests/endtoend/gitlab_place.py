"""A project at a GitLab, made and used through its API: at the stand-in, or at a real server, in the same words.

A real one is named by ``EKACI_TEST_GITLAB_URL`` and ``EKACI_TEST_GITLAB_TOKEN``, of somebody who may make groups.
``EKACI_TEST_GITLAB_STRANGER_TOKEN`` is of somebody else, without whom nothing is tested of strangers.
``EKACI_TEST_GITLAB_CALLBACK`` is the host by which GitLab reaches this machine, ``127.0.0.1`` unless it is set; local
addresses have to be allowed for webhooks in its settings.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import attrs
import httpx
from tests.standins.gitlab.server import GitLab

# Read when tests are collected: later the process has a private home.
REAL_URL: Final = os.environ.get("EKACI_TEST_GITLAB_URL", "").rstrip("/")
REAL_TOKEN: Final = os.environ.get("EKACI_TEST_GITLAB_TOKEN", "")
STRANGER_TOKEN: Final = os.environ.get("EKACI_TEST_GITLAB_STRANGER_TOKEN", "")
CALLBACK: Final = os.environ.get("EKACI_TEST_GITLAB_CALLBACK", "127.0.0.1")

_REPORTER: Final = 20
_MAINTAINER: Final = 40
_PATIENCE_SECONDS: Final = 60.0


@attrs.define
class Tokens:
    """Whose API is used: the owner's of the project, that which the server gets, and a stranger's."""

    owner: str
    server: str
    stranger: str


@attrs.define
class GitLabPlace:
    """A project in a group within a group."""

    url: str
    tokens: Tokens
    client: httpx.Client
    stand_in: GitLab | None = None
    path: str = ""
    number: int = 0
    group: int = 0
    _files: dict[tuple[int, str], set[str]] = attrs.field(factory=dict)

    def api(self, method: str, where: str, /, *, by: str = "", **body: Any) -> Any:
        """Ask the API."""
        headers = {"authorization": f"Bearer {by or self.tokens.owner}", "user-agent": "EkaCI's tests"}
        document = body if method in ("POST", "PUT") else None
        answer = self.client.request(method, f"{self.url}/api/v4{where}", headers=headers, json=document)
        assert answer.is_success, (method, where, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def every(self, path: str) -> list[Any]:
        """Return the items of all pages."""
        found: list[Any] = []
        for page in range(1, 100):
            joint = "&" if "?" in path else "?"
            items = self.api("GET", f"{path}{joint}per_page=100&page={page}")
            found += items
            if len(items) < 100:
                break
        return found

    # --- before and after

    def make(self, files: Mapping[str, str]) -> None:
        """Make groups and project, and let the server's account in."""
        name = f"ekaci-{uuid.uuid4().hex[:8]}"
        self.group = self.api("POST", "/groups", name=name, path=name)["id"]
        inner = self.api("POST", "/groups", name="tools", path="tools", parent_id=self.group)["id"]
        made = self.api("POST", "/projects", name="packages", path="packages", namespace_id=inner, visibility="private")
        self.number, self.path = made["id"], made["path_with_namespace"]
        self.commit(files, "main")
        self._invite(self.tokens.server, _MAINTAINER)
        self._invite(self.tokens.stranger, _REPORTER)

    def _invite(self, token: str, level: int) -> None:
        if token and token != self.tokens.owner:
            number = self.api("GET", "/user", by=token)["id"]
            self.api("POST", f"/projects/{self.number}/members", user_id=number, access_level=level)

    def remove(self) -> None:
        """Remove everything that was made."""
        if self.group:
            self.api("DELETE", f"/groups/{self.group}")

    # --- what people do

    def commit(
        self,
        files: Mapping[str, str],
        branch: str,
        *,
        project: int = 0,
        by: str = "",
        force: bool = False,
    ) -> str:
        """Push one commit: onto the branch, or onto the default branch where it is not there or is forced."""
        where = project or self.number
        there = self._files.get((where, branch))
        base = self._files.get((where, "main"), self._files.get((self.number, "main"), set()))
        new = there is None or force
        known = base if there is None or force else there
        actions = [
            {"action": "update" if path in known else "create", "file_path": path, "content": text}
            for path, text in files.items()
        ]
        start: dict[str, Any] = {}
        if new and branch != "main":
            start = {"start_sha": self.sha("main", where)} if force else {"start_branch": "main"}
            start |= {"force": True} if force else {}
        made = self.api(
            "POST", f"/projects/{where}/repository/commits", by=by, branch=branch, commit_message="Change",
            actions=actions, **start,
        )  # fmt: skip
        self._files[where, branch] = known | files.keys()
        return str(made["id"])

    def sha(self, branch: str, project: int = 0) -> str:
        """Return where a branch is."""
        path = f"/projects/{project or self.number}/repository/branches/{quote(branch, safe='')}"
        return str(self.api("GET", path)["commit"]["id"])

    def fork(self) -> int:
        """Let the stranger fork the project."""
        made = self.api("POST", f"/projects/{self.number}/fork", by=self.tokens.stranger)
        number = int(made["id"])

        def is_there() -> bool:
            shown = self.api("GET", f"/projects/{number}", by=self.tokens.stranger)
            return bool(shown.get("import_status", "finished") == "finished")

        until(is_there)
        return number

    def open(self, branch: str, *, project: int = 0, by: str = "", title: str = "Change something") -> int:
        """Open a merge request, and return its number."""
        made = self.api(
            "POST", f"/projects/{project or self.number}/merge_requests", by=by, source_branch=branch,
            target_branch="main", target_project_id=self.number, title=title,
        )  # fmt: skip
        return int(made["iid"])

    def say(self, request: int, body: str, *, by: str = "") -> int:
        """Write a note, and return its number."""
        return int(self.api("POST", f"{self._request(request)}/notes", by=by, body=body)["id"])

    def close(self, request: int) -> None:
        """Close a merge request."""
        self.api("PUT", self._request(request), state_event="close")

    # --- what is shown

    def statuses(self, sha: str) -> dict[str, dict[str, Any]]:
        """Return the statuses of a commit by name."""
        found = self.every(f"/projects/{self.number}/repository/commits/{sha}/statuses")
        return {each["name"]: each for each in found}

    def notes(self, request: int) -> list[dict[str, Any]]:
        """Return the notes on a merge request, the oldest first."""
        found = self.every(f"{self._request(request)}/notes?sort=asc&order_by=created_at")
        return [each for each in found if not each["system"]]

    def emoji(self, request: int, note: int) -> list[str]:
        """Return the signs at a note."""
        return [each["name"] for each in self.every(f"{self._request(request)}/notes/{note}/award_emoji")]

    def _request(self, number: int) -> str:
        return f"/projects/{self.number}/merge_requests/{number}"


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds at the other server, which tells nobody."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)

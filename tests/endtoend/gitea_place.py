"""People at a Gitea, who do everything through its API and git: at the stand-in, or at a real one.

A real one is named by EKACI_TEST_GITEA_URL and EKACI_TEST_GITEA_TOKEN, the token of an administrator with all scopes.
Its ``webhook.ALLOWED_HOST_LIST`` has to allow this machine, which it reaches as EKACI_TEST_GITEA_CALLBACK (127.0.0.1
unless told otherwise).
"""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import httpx

# Read when tests are collected: later the process has a private environment.
URL: Final = os.environ.get("EKACI_TEST_GITEA_URL", "").rstrip("/")
TOKEN: Final = os.environ.get("EKACI_TEST_GITEA_TOKEN", "")
CALLBACK: Final = os.environ.get("EKACI_TEST_GITEA_CALLBACK", "127.0.0.1")

_SCOPES: Final = ["write:repository", "write:issue", "write:user"]
_BOT_SCOPES: Final = ["write:repository", "write:issue", "read:user"]
_OK: Final = 300
_PAGE: Final = 50


@attrs.frozen
class Somebody:
    """An account with a token."""

    url: str
    login: str
    token: str = attrs.field(repr=False)

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """Ask the API and return what it says."""
        answer = httpx.request(
            method, f"{self.url}/api/v1{path}", json=body or None, headers={"authorization": f"token {self.token}"},
            trust_env=False, timeout=30,
        )  # fmt: skip
        assert answer.status_code < _OK, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def all(self, path: str, key: str = "") -> list[Any]:
        """Return the items of all pages."""
        found: list[Any] = []
        for page in range(1, 100):
            answer = self.ask("GET", f"{path}?page={page}&limit={_PAGE}")
            items = (answer or {}).get(key) if key else answer
            if not items or items == found[-len(items) :]:
                return found
            found += items
        return found


def account(url: str, administrator: str, name: str, scopes: list[str]) -> Somebody:
    """Make an account and a token of it."""
    login, password = f"{name}-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    root = Somebody(url, "administrator", administrator)
    mail = f"{login}@example.org"
    root.ask("POST", "/admin/users", username=login, email=mail, password=password, must_change_password=False)
    pair = base64.b64encode(f"{login}:{password}".encode()).decode()
    answer = httpx.post(
        f"{url}/api/v1/users/{login}/tokens", json={"name": "test", "scopes": scopes},
        headers={"authorization": f"Basic {pair}"}, trust_env=False, timeout=30,
    )  # fmt: skip
    assert answer.status_code < _OK, answer.text
    return Somebody(url, login, answer.json()["sha1"])


@attrs.define
class GiteaPlace:
    """A repository, and who works there: its owner, one who may write, one who may only read, and EkaCI."""

    url: str
    folder: Path
    octo: Somebody
    ada: Somebody
    mallory: Somebody
    ekaci: Somebody
    name: str = "packages"

    @classmethod
    def made(cls, url: str, administrator: str, folder: Path, files: Mapping[str, str]) -> GiteaPlace:
        """Make accounts and a private repository with these files."""
        octo, ada, mallory = (account(url, administrator, name, _SCOPES) for name in ("octo", "ada", "mallory"))
        place = cls(url, folder, octo, ada, mallory, account(url, administrator, "ekaci", _BOT_SCOPES))
        place.octo.ask("POST", "/user/repos", name=place.name, private=True, default_branch="main")
        roles = ((place.ada, "write"), (place.mallory, "read"), (place.ekaci, "admin"))
        for somebody, role in roles:
            place.octo.ask("PUT", f"{place.at}/collaborators/{somebody.login}", permission=role)
        folder.mkdir(parents=True)
        place._git("init", "--quiet", "--initial-branch=main")
        place._commit(files)
        place._send(place.octo, place.path, "main")
        return place

    @property
    def path(self) -> str:
        """``owner/name``."""
        return f"{self.octo.login}/{self.name}"

    @property
    def at(self) -> str:
        """Where it is below the API."""
        return f"/repos/{self.path}"

    def push(
        self, who: Somebody, files: Mapping[str, str | None], *, branch: str, new: bool = True, path: str = ""
    ) -> str:
        """Push files to a branch, which begins at ``main`` where it is ``new`` (by force), else goes on."""
        self._git("checkout", "--quiet", *(("-B", branch, "main") if new else (branch,)))
        sha = self._commit(files)
        self._send(who, path or self.path, branch, force=new)
        self._git("checkout", "--quiet", "main")
        return sha

    def fork(self, who: Somebody) -> str:
        """Fork the repository; returns the fork's path."""
        return str(who.ask("POST", f"{self.at}/forks", name=self.name)["full_name"])

    def open(self, who: Somebody, branch: str, *, fork: bool = False, title: str = "A change") -> int:
        """Open a pull request and return its number."""
        head = f"{who.login}:{branch}" if fork else branch
        return int(who.ask("POST", f"{self.at}/pulls", head=head, base="main", title=title)["number"])

    def say(self, who: Somebody, number: int, text: str) -> int:
        """Comment, and return the comment's name."""
        return int(who.ask("POST", f"{self.at}/issues/{number}/comments", body=text)["id"])

    def signs(self, comment: int) -> list[str]:
        """Return the reactions to a comment."""
        found = self.ada.ask("GET", f"{self.at}/issues/comments/{comment}/reactions") or []
        return [each["content"] for each in found]

    def statuses(self, sha: str) -> dict[str, dict[str, Any]]:
        """Return the newest status of each name."""
        return {each["context"]: each for each in self.ada.all(f"{self.at}/commits/{sha}/status", "statuses")}

    def every_status(self, sha: str) -> list[dict[str, Any]]:
        """Return every status that was ever written, the oldest first."""
        return sorted(self.ada.all(f"{self.at}/statuses/{sha}"), key=lambda each: int(each["id"]))

    def comments(self, number: int, who: Somebody | None = None) -> list[dict[str, Any]]:
        """Return what EkaCI, or somebody else, commented."""
        login = (who or self.ekaci).login
        found = self.ada.ask("GET", f"{self.at}/issues/{number}/comments") or []
        return [each for each in found if each["user"]["login"] == login]

    def _commit(self, files: Mapping[str, str | None]) -> str:
        for name, text in files.items():
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.unlink()
            else:
                target.write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", f"Change {uuid.uuid4().hex[:6]}")
        return self._git("rev-parse", "HEAD")

    def _send(self, who: Somebody, path: str, branch: str, *, force: bool = False) -> None:
        pair = base64.b64encode(f"{who.login}:{who.token}".encode()).decode()
        words = ["push", "--quiet", *(("--force",) if force else ()), f"{self.url}/{path}.git", f"{branch}:{branch}"]
        self._git(*words, header=f"Authorization: Basic {pair}")

    def _git(self, *words: str, header: str = "") -> str:
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        if header:
            given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": header}
            environment |= given
        argv = ["git", *words]
        done = subprocess.run(argv, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.strip()

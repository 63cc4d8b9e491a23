"""What the stand-in knows, and what tests let people do there. Safe to use from another thread than the server's."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.standins.github.deliveries import new_delivery
from tests.standins.github.description import Description
from tests.standins.github.git import Bare, Content
from tests.standins.github.records import (
    Account,
    App,
    Comment,
    Delivery,
    Grant,
    Installation,
    Pull,
    Repository,
    Seen,
)
from tests.standins.github.shapes import Shapes
from tests.standins.github.signatures import key_pair

PERMISSIONS: Final = {
    "metadata": "read",
    "contents": "read",
    "checks": "write",
    "statuses": "write",
    "pull_requests": "write",
    "issues": "write",
    "merge_queues": "read",
    "actions": "read",
}
SUBSCRIBED: Final = [
    "push", "pull_request", "pull_request_review", "merge_group", "check_run", "check_suite", "issue_comment",
    "workflow_run", "repository",
]  # fmt: skip
TOKEN_SECONDS: Final = 3600.0
LONGEST_PAGE: Final = 100
ENTERPRISE: Final = "/api/v3"
"""Where the API is at GitHub Enterprise Server."""


class World:
    """Everything that is there. Hold ``lock`` for what must not be seen half done."""

    def __init__(
        self,
        folder: Path,
        url: str,
        description: Description,
        clock: Callable[[], float] = time.time,
        *,
        enterprise: bool = False,
    ) -> None:
        self.enterprise = enterprise
        self.folder = folder
        self.description = description
        self.shapes = Shapes(url, f"{url}{ENTERPRISE}" if enterprise else url)
        self.clock = clock
        self.lock = threading.RLock()
        self.token_seconds = TOKEN_SECONDS
        self.longest_page = LONGEST_PAGE
        self.accounts: dict[str, Account] = {}
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.repositories: dict[int, Repository] = {}
        self.grants: dict[str, Grant] = {}
        self.issued: list[str] = []
        """Every token that was ever given out or shown: none may stand in a log."""
        self.deliveries: list[Delivery] = []
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        """What was outside GitHub's published description. A test that has any fails."""
        self.send: Callable[[Delivery], None] = lambda _: None
        self._ids = itertools.count(1001)

    def now(self) -> float:
        """GitHub's time."""
        return self.clock()

    def next_id(self) -> int:
        """Return a number that nothing else has."""
        return next(self._ids)

    # --- who and what is there

    def account(self, login: str, kind: str = "User") -> Account:
        """Return an account, made when it is named first."""
        with self.lock:
            if login.lower() not in self.accounts:
                self.accounts[login.lower()] = Account(self.next_id(), login, kind)
            return self.accounts[login.lower()]

    def app(
        self,
        slug: str = "ekaci-test",
        *,
        webhook_url: str | None = None,
        webhook_secret: str = "",
        permissions: Mapping[str, str] = PERMISSIONS,
        events: list[str] | None = None,
    ) -> App:
        """Register an App; without ``webhook_url`` its deliveries are only kept."""
        with self.lock:
            key = key_pair(len(self.apps))
            made = App(
                id=self.next_id(),
                slug=slug,
                owner=self.account("app-makers", "Organization"),
                public_key=key.public,
                private_key=key.private,
                webhook_url=webhook_url,
                webhook_secret=webhook_secret or secrets.token_hex(),
                permissions=dict(permissions),
                events=list(SUBSCRIBED if events is None else events),
            )
            self.apps[made.id] = made
            return made

    def install(self, app: App, login: str, repositories: list[Repository] | None = None) -> Installation:
        """Give an App the repositories of an account, or some of them."""
        with self.lock:
            chosen = None if repositories is None else {each.id for each in repositories}
            made = Installation(self.next_id(), app, self.account(login), dict(app.permissions), chosen)
            self.installations[made.id] = made
            return made

    def repository(
        self,
        full_name: str,
        *,
        private: bool = True,
        files: Mapping[str, Content | None] | None = None,
        roles: Mapping[str, str] | None = None,
        parent: Repository | None = None,
    ) -> Repository:
        """Make a repository with a first commit of ``files`` on ``main``; ``roles`` are of collaborators, by login."""
        with self.lock:
            login, _, name = full_name.partition("/")
            number = self.next_id()
            made = Repository(number, self.account(login), name, self.folder / f"{number}.git", private, parent=parent)
            made.roles = {self.account(each).id: role for each, role in (roles or {}).items()}
            bare = Bare(made.folder)
            bare.create(default_branch=made.default_branch, like=Bare(parent.folder) if parent else None)
            if files is not None:
                bare.commit(made.default_branch, files, message="Begin", parent=None)
            self.repositories[made.id] = made
            return made

    def fork(self, repository: Repository, login: str) -> Repository:
        """Copy a repository to another account."""
        return self.repository(f"{login}/{repository.name}", private=repository.private, parent=repository)

    def find(self, owner: str, name: str) -> Repository | None:
        """Find a repository by a name that it has now."""
        wanted = f"{owner}/{name}".lower()
        each: Repository
        for each in self.repositories.values():
            if each.full_name.lower() == wanted and not each.gone:
                return each
        return None

    def covering(self, app: App, repository: Repository) -> Installation | None:
        """Find the installation through which an App was given a repository."""
        for each in self.installations.values():
            chosen = each.repositories is None or repository.id in each.repositories
            if each.app is app and each.account.id == repository.owner.id and chosen:
                return each
        return None

    # --- tokens

    def grant(
        self, installation: Installation, repositories: frozenset[int] | None, permissions: Mapping[str, str]
    ) -> tuple[str, Grant]:
        """Make a token. Those of GitHub begin like this too."""
        token = f"ghs_{secrets.token_urlsafe(27)}"
        made = Grant(installation, self.now() + self.token_seconds, repositories, permissions)
        self.grants[token] = made
        self.issued.append(token)
        return token, made

    def expire_tokens(self) -> None:
        """Let the time of all tokens that were given out be over."""
        with self.lock:
            for each in self.grants.values():
                each.expires_at = self.now() - 1

    def revoke_tokens(self) -> None:
        """Let no token that was given out be good any more."""
        with self.lock:
            self.grants.clear()

    # --- events

    def tell(
        self,
        event: str,
        body: Mapping[str, Any],
        *,
        repository: Repository | None = None,
        sender: Account | None = None,
        only: App | None = None,
        installation: Installation | None = None,
    ) -> None:
        """Deliver an event to the Apps that have the repository and want it.

        Args:
            event: its name, as in ``X-GitHub-Event``.
            body: the payload, without repository, sender and installation.
            repository: what it is about.
            sender: who did it.
            only: the one App that it concerns.
            installation: what it is about where it concerns no repository.
        """
        with self.lock:
            for app in self.apps.values():
                through = installation or (self.covering(app, repository) if repository else None)
                if only not in (None, app) or (repository and not through) or (through and through.app is not app):
                    continue
                if event in SUBSCRIBED and event not in app.events:
                    continue
                payload: dict[str, Any] = {**body}
                if through:
                    short = {"id": through.id, "node_id": f"I_{through.id}"}
                    payload.setdefault("installation", short)
                if repository:
                    payload["repository"] = self.shapes.repository(repository)
                if sender:
                    payload["sender"] = self.shapes.user(sender)
                self._deliver(app, event, payload, through, repository)

    def _deliver(
        self,
        app: App,
        event: str,
        body: Mapping[str, Any],
        installation: Installation | None,
        repository: Repository | None,
    ) -> None:
        payload = self.description.payload(event, body)
        self.problems += [f"{event} delivered: {fault}" for fault in self.description.payload_faults(event, payload)]
        made = new_delivery(self, app, event, payload)
        made.installation = installation.id if installation else None
        made.repository = repository.id if repository else None
        self.deliveries.append(made)
        self.send(made)

    def last_delivery(self, event: str, action: str | None = None) -> Delivery:
        """Return the newest delivery of an event."""
        return next(each for each in reversed(self.deliveries) if each.event == event and action in (None, each.action))

    # --- what stands where

    def pulls_at(self, repository: Repository, branch: str) -> list[tuple[Repository, Pull]]:
        """Return the open pull requests whose head is a branch, in whatever repository they are."""
        return [
            (target, pull)
            for target in self.repositories.values()
            for pull in target.pulls.values()
            if pull.state == "open" and pull.head_repository is repository and pull.head == branch
        ]

    def suite(self, repository: Repository, app: App, sha: str) -> int:
        """Return the number of an App's check suite at a commit, made where there is none."""
        if (app.id, sha) not in repository.suites:
            repository.suites[app.id, sha] = self.next_id()
        return repository.suites[app.id, sha]

    def comment_of(self, comment: int) -> tuple[Repository, Comment]:
        """Find a comment by its number."""
        return next((each, each.comments[comment]) for each in self.repositories.values() if comment in each.comments)

    def writes(self) -> list[Seen]:
        """Return the requests that changed something."""
        return [each for each in self.seen if each.is_write]

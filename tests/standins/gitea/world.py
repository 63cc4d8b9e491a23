"""What the stand-in knows. Safe to use from another thread than the server's."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.standins.gitea.description import Description
from tests.standins.gitea.records import Account, Delivery, Repository, Seen, Token
from tests.standins.gitea.shapes import Shapes
from tests.standins.github.git import Bare, Content

ALL_SCOPES: Final = frozenset({"write:repository", "write:issue", "read:user"})
"""What EkaCI needs."""
LONGEST_PAGE: Final = 50
"""``MAX_RESPONSE_ITEMS``."""


class World:
    """Everything that is there. Hold ``lock`` for what must not be seen half done."""

    def __init__(self, folder: Path, url: str, description: Description, vendor: str = "gitea") -> None:
        self.folder = folder
        self.url = url
        self.description = description
        self.shapes = Shapes(url)
        self.vendor = vendor
        self.version = "1.23.1" if vendor == "gitea" else "7.0.0+gitea-1.21.11"
        self.longest_page = LONGEST_PAGE
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self.issued: list[str] = []
        """Every token that was ever given out: none may stand in a log."""
        self.repositories: dict[int, Repository] = {}
        self.deliveries: list[Delivery] = []
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        """What was outside the published description. A test that has any fails."""
        self.send: Callable[[Delivery], None] = lambda _: None
        self._ids = itertools.count(1001)

    def now(self) -> float:
        """Gitea's time."""
        return time.time()

    def next_id(self) -> int:
        """Return a number that nothing else has."""
        return next(self._ids)

    def account(self, login: str, password: str = "", *, is_admin: bool = False) -> Account:
        """Return an account, made when it is named first."""
        with self.lock:
            if login.lower() not in self.accounts:
                self.accounts[login.lower()] = Account(self.next_id(), login, password, is_admin)
            return self.accounts[login.lower()]

    def token(self, login: str, scopes: frozenset[str] = ALL_SCOPES, name: str = "test") -> Token:
        """Give an account a token."""
        with self.lock:
            value = secrets.token_hex(20)
            made = Token(self.next_id(), name, value, self.account(login), scopes)
            self.tokens[value] = made
            self.issued.append(value)
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
            bare("config", "http.receivepack", "true")
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
        return next((each for each in self.repositories.values() if each.full_name.lower() == wanted), None)

    def renamed(self, owner: str, name: str) -> Repository | None:
        """Find a repository by a name that it had."""
        wanted = f"{owner}/{name}".lower()
        return next((each for each in self.repositories.values() if wanted in each.earlier_names), None)

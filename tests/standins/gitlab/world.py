"""What the stand-in knows. Safe to use from another thread than the server's."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from tests.standins.github.git import Bare, Content
from tests.standins.github.records import Seen
from tests.standins.gitlab.deliveries import new_delivery
from tests.standins.gitlab.records import OWNER, Account, Delivery, Hook, Project, Token
from tests.standins.gitlab.shapes import Shapes

LONGEST_PAGE: Final = 100
EVENTS: Final = {
    "pipeline_events": True,
    "merge_requests_events": True,
    "note_events": True,
    "push_events": True,
    "tag_push_events": True,
}


class World:
    """Everything that is there. Hold ``lock`` for what must not be seen half done."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.shapes = Shapes(url)
        self.lock = threading.RLock()
        self.longest_page = LONGEST_PAGE
        self.accounts: dict[str, Account] = {}
        self.groups: dict[str, int] = {}
        self.group_members: dict[str, dict[int, int]] = {}
        self.tokens: dict[str, Token] = {}
        self.projects: dict[int, Project] = {}
        self.issued: list[str] = []
        """Every token that was ever given out: none may stand in a log."""
        self.system_hooks: dict[int, Hook] = {}
        self.deliveries: list[Delivery] = []
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        """What was outside GitLab's documents. A test that has any fails."""
        self.send: Callable[[Delivery], None] = lambda _: None
        self._ids = itertools.count(1001)

    def now(self) -> float:
        """GitLab's time."""
        return time.time()

    def next_id(self) -> int:
        """Return a number that nothing else has."""
        return next(self._ids)

    # --- who and what is there

    def account(self, username: str) -> Account:
        """Return an account, made when it is named first."""
        with self.lock:
            if username.lower() not in self.accounts:
                self.accounts[username.lower()] = Account(self.next_id(), username)
            return self.accounts[username.lower()]

    def token(self, account: Account, scopes: Collection[str] = ("api",)) -> Token:
        """Make an access token."""
        with self.lock:
            made = Token(f"glpat-{secrets.token_urlsafe(20)}", account, set(scopes))
            self.tokens[made.value] = made
            self.issued.append(made.value)
            return made

    def group(self, path: str, members: Mapping[str, int] | None = None) -> int:
        """Make a group, with members that its projects and subgroups have as well."""
        with self.lock:
            number = self.groups.setdefault(path, self.next_id())
            levels = self.group_members.setdefault(path, {})
            levels |= {self.account(name).id: level for name, level in (members or {}).items()}
            return number

    def project(
        self,
        path: str,
        *,
        private: bool = True,
        files: Mapping[str, Content | None] | None = None,
        members: Mapping[str, int] | None = None,
        parent: Project | None = None,
    ) -> Project:
        """Make a project, with a first commit of ``files`` on ``main``."""
        with self.lock:
            number = self.next_id()
            made = Project(number, path, self.folder / f"{number}.git", private, parent=parent)
            made.members = {self.account(name).id: level for name, level in (members or {}).items()}
            bare = Bare(made.folder)
            bare.create(default_branch=made.default_branch, like=Bare(parent.folder) if parent else None)
            # What may be fetched though no branch has it.
            bare("config", "uploadpack.allowAnySHA1InWant", "true")
            if files and parent is None:
                bare.commit("main", files, message="First", parent=None)
            self.projects[number] = made
            return made

    def fork(self, project: Project, username: str) -> Project:
        """Fork a project into an account's own namespace."""
        path = f"{username}/{project.name}"
        return self.project(path, private=project.private, members={username: OWNER}, parent=project)

    def find(self, name: str) -> Project | None:
        """Return a project by its path, in any case, or its number."""
        if name.isdecimal():
            return self.projects.get(int(name))
        return next((each for each in self.projects.values() if each.path.lower() == name.lower()), None)

    def levels(self, project: Project, account: Account) -> tuple[int, int]:
        """Return an account's level of its own, and that of the groups above."""
        groups = [
            levels.get(account.id, 0)
            for path, levels in self.group_members.items()
            if project.path.lower().startswith(f"{path.lower()}/")
        ]
        return project.members.get(account.id, 0), max(groups, default=0)

    def level(self, project: Project, account: Account) -> int:
        """Return the level that counts."""
        return max(self.levels(project, account)) if account.state == "active" else 0

    # --- webhooks

    def hook(self, project: Project, url: str, token: str, *, signing: str = "") -> Hook:
        """Make a webhook of a project."""
        with self.lock:
            made = Hook(self.next_id(), url, token, dict(EVENTS), signing)
            project.hooks[made.id] = made
            return made

    def system_hook(self, url: str, token: str, *, signing: str = "") -> Hook:
        """Make a webhook of the whole instance."""
        with self.lock:
            made = Hook(self.next_id(), url, token, dict(EVENTS), signing)
            self.system_hooks[made.id] = made
            return made

    def tell(self, project: Project, event: str, kind: str, payload: Mapping[str, Any]) -> None:
        """Send a delivery to all webhooks of a project that want it, and a system hook where those get such."""
        for hook in list(project.hooks.values()):
            if hook.events.get(event, False):
                self._sent(new_delivery(hook, kind, payload))
        if event not in ("note_events", "pipeline_events"):
            for hook in list(self.system_hooks.values()):
                told = {"event_name": "push", **payload} if event == "push_events" else payload
                self._sent(new_delivery(hook, "System Hook", told))

    def tell_system(self, payload: Mapping[str, Any]) -> None:
        """Tell the system hooks alone."""
        for hook in list(self.system_hooks.values()):
            self._sent(new_delivery(hook, "System Hook", payload))

    def _sent(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if delivery.hook.url:
            self.send(delivery)

    def last_delivery(self, event: str, **attributes: object) -> Delivery:
        """Return the last delivery of a kind, with these among its attributes."""
        for each in reversed(self.deliveries):
            there = {**each.payload, **each.payload.get("object_attributes", {})}
            if each.event == event and attributes.items() <= there.items():
                return each
        raise AssertionError(f"no delivery {event} {attributes}: {[each.event for each in self.deliveries]}")

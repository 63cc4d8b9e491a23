"""What there is at the stand-in: accounts, tokens, repositories, and what stands in them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

ROLES: Final = ("none", "read", "write", "admin", "owner")


def moment(seconds: float) -> str:
    """Write a time as Gitea does."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@attrs.define(eq=False)
class Account:
    """A user or an organisation."""

    id: int
    login: str
    password: str = attrs.field(default="", repr=False)
    is_admin: bool = False


@attrs.define(eq=False)
class Token:
    """An access token: https://docs.gitea.com/development/oauth2-provider#scopes."""

    id: int
    name: str
    value: str = attrs.field(repr=False)
    account: Account
    scopes: frozenset[str]


@attrs.define(eq=False)
class Status:
    """A commit status: written once, and never changed."""

    id: int
    sha: str
    state: str
    context: str
    description: str
    target_url: str
    creator: Account
    created_at: float


@attrs.define(eq=False)
class Comment:
    """A comment on a pull request."""

    id: int
    number: int
    body: str
    user: Account
    created_at: float
    updated_at: float
    reactions: list[tuple[Account, str]] = attrs.field(factory=list)


@attrs.define(eq=False)
class Pull:
    """A pull request. ``head_repository`` is None where that repository is gone."""

    id: int
    number: int
    title: str
    author: Account
    base: str
    head: str
    head_sha: str
    head_repository: Repository | None
    created_at: float
    updated_at: float
    state: str = "open"
    merged: bool = False


@attrs.define(eq=False)
class Hook:
    """A webhook; ``events`` are types of events, one by one."""

    id: int
    type: str
    url: str
    content_type: str
    secret: str = attrs.field(repr=False)
    events: frozenset[str]
    active: bool
    branch_filter: str = "*"


@attrs.define(eq=False)
class Repository:
    """A repository with its bare git repository in ``folder``."""

    id: int
    owner: Account
    name: str
    folder: Path
    private: bool
    default_branch: str = "main"
    parent: Repository | None = None
    archived: bool = False
    roles: dict[int, str] = attrs.field(factory=dict)
    earlier_names: list[str] = attrs.field(factory=list)
    pulls: dict[int, Pull] = attrs.field(factory=dict)
    statuses: dict[int, Status] = attrs.field(factory=dict)
    comments: dict[int, Comment] = attrs.field(factory=dict)
    hooks: dict[int, Hook] = attrs.field(factory=dict)

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner.login}/{self.name}"

    def role(self, account: Account) -> str:
        """Return what an account may do, by name."""
        if account is self.owner or account.is_admin:
            return "owner"
        return self.roles.get(account.id, "none" if self.private else "read")

    def allows(self, account: Account, role: str) -> bool:
        """Whether an account may do what a role may."""
        return ROLES.index(self.role(account)) >= ROLES.index(role)


@attrs.define(eq=False)
class Delivery:
    """An attempt to deliver a webhook. ``hook`` is None for those that were kept though nobody wanted them."""

    uuid: str
    kind: str
    event: str
    hook: Hook | None
    body: bytes
    headers: dict[str, str]
    status: int = 0


@attrs.define
class Seen:
    """A request that came, and what was answered. ``body`` is None where it had none."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = attrs.field(repr=False)
    body: Any
    operation: str = ""
    status: int = 0

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return self.method not in ("GET", "HEAD") and not self.path.endswith("/git-upload-pack")

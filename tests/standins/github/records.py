"""What there is at the stand-in: accounts, apps, installations, repositories, and what stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ROLES: Final = ("none", "read", "triage", "write", "maintain", "admin")


def moment(seconds: float) -> str:
    """Write a time as GitHub does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@attrs.define
class Account:
    """A user, an organisation or a bot."""

    id: int
    login: str
    type: str = "User"


@attrs.define
class App:
    """A GitHub App; ``permissions`` and ``events`` are what its registration asks for."""

    id: int
    slug: str
    owner: Account
    public_key: RSAPublicKey
    private_key: str = attrs.field(repr=False)
    webhook_url: str | None
    webhook_secret: str = attrs.field(repr=False)
    permissions: dict[str, str]
    events: list[str]

    @property
    def client_id(self) -> str:
        """Another name of the App, which may stand in its tokens too."""
        return f"Iv1.{self.id:016x}"


@attrs.define
class Installation:
    """An App at an account; ``repositories`` is None where it was given all of them."""

    id: int
    app: App
    account: Account
    permissions: dict[str, str]
    repositories: set[int] | None = None
    suspended: bool = False


@attrs.define
class Grant:
    """An installation's token: for how long, for which repositories and for what."""

    installation: Installation
    expires_at: float
    repositories: frozenset[int] | None
    permissions: Mapping[str, str]


@attrs.define
class CheckRun:
    """A check run as it stands."""

    id: int
    app: App
    name: str
    head_sha: str
    suite: int
    status: str = "queued"
    conclusion: str | None = None
    external_id: str = ""
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    annotations: list[dict[str, Any]] = attrs.field(factory=list)
    actions: list[dict[str, Any]] = attrs.field(factory=list)
    writes: int = 0


@attrs.define
class CommitStatus:
    """A status; the newest of a context counts."""

    id: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    creator: Account


@attrs.define
class Comment:
    """A comment on a pull request."""

    id: int
    number: int
    body: str
    user: Account
    created_at: float
    updated_at: float
    reactions: list[tuple[int, Account, str]] = attrs.field(factory=list)


@attrs.define
class Review:
    """A person's review."""

    id: int
    number: int
    sha: str
    state: str
    user: Account
    submitted_at: float


@attrs.define
class Pull:
    """A pull request. ``head_repository`` is None where that repository is gone."""

    id: int
    number: int
    title: str
    author: Account
    base: str
    base_sha: str
    head: str
    head_sha: str
    head_repository: Repository | None
    created_at: float
    updated_at: float
    state: str = "open"
    draft: bool = False
    merged: bool = False


@attrs.define(eq=False)
class Repository:
    """A repository with its bare git repository below ``folder``."""

    id: int
    owner: Account
    name: str
    folder: Path
    private: bool
    default_branch: str = "main"
    parent: Repository | None = None
    roles: dict[int, str] = attrs.field(factory=dict)
    earlier_names: list[str] = attrs.field(factory=list)
    pulls: dict[int, Pull] = attrs.field(factory=dict)
    checks: dict[int, CheckRun] = attrs.field(factory=dict)
    suites: dict[tuple[int, str], int] = attrs.field(factory=dict)
    statuses: list[CommitStatus] = attrs.field(factory=list)
    comments: dict[int, Comment] = attrs.field(factory=dict)
    reviews: list[Review] = attrs.field(factory=list)
    gone: bool = False

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner.login}/{self.name}"

    def role(self, account: Account) -> str:
        """Return what an account may do, by name."""
        if account.id == self.owner.id:
            return "admin"
        return self.roles.get(account.id, "none" if self.private else "read")


@attrs.define
class Delivery:
    """One attempt to deliver a webhook; attempts at the same event share their ``guid``."""

    id: int
    guid: str
    app: App
    event: str
    action: str | None
    payload: dict[str, Any]
    body: bytes
    delivered_at: float
    redelivery: bool = False
    installation: int | None = None
    repository: int | None = None
    status_code: int = 0
    """What the receiver answered; 0 while nothing came."""
    status: str = "pending"
    seconds: float = 0.0
    enterprise_host: str = ""
    """Of GitHub Enterprise Server: it names itself to the receiver."""


@attrs.define
class Seen:
    """A request that came, and what was answered. ``body`` is None where it had none."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = attrs.field(repr=False)
    body: Any
    operation: str | None = None
    status: int = 0

    @property
    def is_write(self) -> bool:
        """Whether it changes something; asking for a token does not count."""
        return self.method not in ("GET", "HEAD") and not self.path.endswith(("/access_tokens", "/git-upload-pack"))

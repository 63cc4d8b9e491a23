"""What there is at the stand-in: accounts, tokens, projects, and what stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

GUEST, REPORTER, DEVELOPER, MAINTAINER, OWNER = 10, 20, 30, 40, 50
"""https://docs.gitlab.com/api/access_requests/#valid-access-levels"""


def moment(seconds: float) -> str:
    """Write a time as GitLab's API does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told_moment(seconds: float) -> str:
    """Write a time as GitLab's webhooks do."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@attrs.define
class Account:
    """A user, or the bot of a token."""

    id: int
    username: str
    state: str = "active"


@attrs.define
class Token:
    """An access token; ``expires_at`` is a day."""

    value: str = attrs.field(repr=False)
    account: Account
    scopes: set[str]
    expires_at: str | None = None
    revoked: bool = False


@attrs.define
class Note:
    """A note on a merge request."""

    id: int
    iid: int
    body: str
    author: Account
    created_at: float
    updated_at: float
    system: bool = False
    emoji: list[tuple[int, str]] = attrs.field(factory=list)


@attrs.define
class Pipeline:
    """A pipeline of a commit and a ref."""

    id: int
    sha: str
    ref: str
    source: str
    status: str = "running"


@attrs.define
class Status:
    """A commit status; one that was ``retried`` is shown to nobody who does not ask for all."""

    id: int
    pipeline: Pipeline
    name: str
    author: Account
    state: str = "created"
    description: str | None = None
    target_url: str | None = None
    retried: bool = False
    writes: int = 0


@attrs.define
class Hook:
    """A webhook; ``signing`` is the key that it signs with. That of the whole instance has no project."""

    id: int
    url: str
    token: str = attrs.field(repr=False)
    events: dict[str, bool]
    signing: str = attrs.field(default="", repr=False)


@attrs.define(eq=False)
class MergeRequest:
    """A merge request. ``source`` is None where that project is gone."""

    id: int
    iid: int
    title: str
    author: Account
    source: Project | None
    source_branch: str
    target_branch: str
    sha: str
    start_sha: str
    created_at: float
    updated_at: float
    state: str = "opened"
    draft: bool = False
    pipeline: int | None = None


@attrs.define(eq=False)
class Project:
    """A project with its bare git repository; ``members`` are levels by the number of the account."""

    id: int
    path: str
    folder: Path
    private: bool = True
    default_branch: str = "main"
    parent: Project | None = None
    members: dict[int, int] = attrs.field(factory=dict)
    merge_requests: dict[int, MergeRequest] = attrs.field(factory=dict)
    notes: dict[int, Note] = attrs.field(factory=dict)
    pipelines: dict[int, Pipeline] = attrs.field(factory=dict)
    statuses: dict[int, Status] = attrs.field(factory=dict)
    hooks: dict[int, Hook] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def standing(self, sha: str) -> list[Status]:
        """Return the statuses that are shown at a commit."""
        return [each for each in self.statuses.values() if each.pipeline.sha == sha and not each.retried]


@attrs.define
class Delivery:
    """One delivery to a webhook; ``key`` is the same when it is sent again."""

    hook: Hook
    event: str
    payload: Mapping[str, Any]
    body: bytes
    key: str
    event_uuid: str
    status_code: int = 0

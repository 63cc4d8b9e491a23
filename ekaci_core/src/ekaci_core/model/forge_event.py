"""What a forge tells: the same for every forge, parsed once, with nothing in it that was not checked."""

from __future__ import annotations

import enum

import attrs

from ekaci_core.model.forge import Branch, Permission, Person, PullRequest, RepositoryId
from ekaci_core.model.ids import CommitSha


class PullRequestAction(enum.Enum):
    """What happened to a pull request."""

    OPENED = "opened"
    SYNCHRONIZED = "synchronize"
    REOPENED = "reopened"
    READY = "ready_for_review"
    DRAFTED = "converted_to_draft"
    EDITED = "edited"
    RETARGETED = "retargeted"
    CLOSED = "closed"
    ENQUEUED = "enqueued"
    DEQUEUED = "dequeued"


@attrs.frozen
class PullRequestChanged:
    """A pull request is new or another one now; ``pull_request`` is what it is after that."""

    action: PullRequestAction
    pull_request: PullRequest
    actor: Person


@attrs.frozen
class PullRequestTouched:
    """Something happened to a pull request, and the forge does not tell all of what it is now: it is asked."""

    action: PullRequestAction
    repository: RepositoryId
    number: int
    actor: Person


class MergeGroupAction(enum.Enum):
    """What happened to a merge group."""

    CHECKS_REQUESTED = "checks_requested"
    DESTROYED = "destroyed"


@attrs.frozen
class MergeGroupChanged:
    """A merge queue asks for checks of a group, or does not need them any more.

    ``author`` made the head commit. ``ref`` is where that can be fetched, where it is not the branch ``head``.
    """

    action: MergeGroupAction
    repository: RepositoryId
    base: Branch
    base_sha: CommitSha
    head: Branch
    head_sha: CommitSha
    author: str = ""
    ref: str = ""


@attrs.frozen
class MergeGroupTouched:
    """Something ran, or ended, which may be of a merge queue; ``number`` is the forge's own, and the forge is asked."""

    repository: RepositoryId
    number: int


@attrs.frozen
class RerunRequested:
    """Somebody wants checks of a commit again; ``context`` is the one check, None all of them."""

    repository: RepositoryId
    sha: CommitSha
    context: str | None
    actor: Person


@attrs.frozen
class CheckActionRequested:
    """Somebody pressed the button ``identifier`` of a check."""

    repository: RepositoryId
    sha: CommitSha
    context: str
    identifier: str
    actor: Person


@attrs.frozen
class CommentCreated:
    """A comment on a pull request. ``created_at``: seconds since the epoch; ``by_bot``: no person wrote it."""

    repository: RepositoryId
    number: int
    comment: int
    body: str
    author: Person
    by_bot: bool
    created_at: float


class Opinion(enum.Enum):
    """What a person's review of a pull request says."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"
    DISMISSED = "dismissed"


@attrs.frozen
class PullRequestReviewed:
    """A person has reviewed a pull request at a commit, or a review was dismissed."""

    repository: RepositoryId
    number: int
    sha: CommitSha
    opinion: Opinion
    reviewer: Person


@attrs.frozen
class BranchPushed:
    """A branch moved; ``before`` or ``after`` is None where it is new or gone."""

    repository: RepositoryId
    branch: Branch
    before: CommitSha | None
    after: CommitSha | None
    is_default: bool
    actor: Person | None


@attrs.frozen
class WorkflowRequested:
    """Somebody let a workflow run on a commit. It approves nothing unless ``actor`` may write."""

    repository: RepositoryId
    sha: CommitSha
    actor: Person


class InstallationAction(enum.Enum):
    """What happened to an installation of our application."""

    ADDED = "added"
    REMOVED = "removed"
    SUSPENDED = "suspended"
    UNSUSPENDED = "unsuspended"


@attrs.frozen
class InstallationChanged:
    """Our application was given repositories, or they were taken away. No ``repositories``: all of the account."""

    action: InstallationAction
    installation: int
    account: str
    repositories: tuple[RepositoryId, ...]


class RepositoryAction(enum.Enum):
    """What happened to a repository."""

    RENAMED = "renamed"
    TRANSFERRED = "transferred"
    DELETED = "deleted"


@attrs.frozen
class RepositoryChanged:
    """A repository has another name, or is gone. ``before`` is the old name where it has a new one."""

    action: RepositoryAction
    repository: RepositoryId
    before: RepositoryId | None


@attrs.frozen
class Ping:
    """The forge asks whether we are there."""


@attrs.frozen
class Ignored:
    """Nothing that concerns us; ``reason`` is for the log and ``ekaci deliveries``."""

    reason: str


ForgeEvent = (
    PullRequestChanged
    | PullRequestTouched
    | MergeGroupChanged
    | MergeGroupTouched
    | RerunRequested
    | CheckActionRequested
    | CommentCreated
    | PullRequestReviewed
    | BranchPushed
    | WorkflowRequested
    | InstallationChanged
    | RepositoryChanged
    | Ping
)


@attrs.frozen
class Collaborator:
    """A person and what they may do."""

    person: Person
    permission: Permission

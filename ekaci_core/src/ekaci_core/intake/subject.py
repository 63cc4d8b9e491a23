"""What an event is of: news of the same thing waits for what came before it, whatever that waits for."""

from __future__ import annotations

from ekaci_core.model.forge import Branch, RepositoryId
from ekaci_core.model.forge_event import (
    BranchPushed,
    CheckActionRequested,
    CommentCreated,
    ForgeEvent,
    InstallationChanged,
    MergeGroupChanged,
    MergeGroupTouched,
    Ping,
    PullRequestChanged,
    PullRequestReviewed,
    PullRequestTouched,
    RepositoryChanged,
    RerunRequested,
    WorkflowRequested,
)

Subject = tuple[str, ...]


def repository_of(event: ForgeEvent) -> RepositoryId | None:
    """The repository that an event is of; None for what is of an account."""
    match event:
        case PullRequestChanged():
            return event.pull_request.repository
        case InstallationChanged() | Ping():
            return None
        case _:
            return event.repository


def branch_of(event: ForgeEvent) -> Branch | None:
    """The branch that the change is to go into, as far as the event says."""
    match event:
        case PullRequestChanged():
            return event.pull_request.base
        case MergeGroupChanged():
            return event.base
        case BranchPushed():
            return event.branch
        case _:
            return None


def subject_of(event: ForgeEvent) -> Subject:  # noqa: PLR0911 - one case for each kind of event
    """Name what an event is of.

    A pull request is one subject with its comments; a merge queue is one, because each group is built on another; a
    branch is one, and so is a commit. Renames and removals of repositories are one all together.
    """
    where = str(repository_of(event) or "")
    match event:
        case PullRequestChanged():
            return where, "pull", str(event.pull_request.number)
        case CommentCreated() | PullRequestReviewed() | PullRequestTouched():
            return where, "pull", str(event.number)
        case MergeGroupChanged():
            return where, "queue", event.base
        case MergeGroupTouched():
            return where, "pipeline", str(event.number)
        case RerunRequested() | CheckActionRequested() | WorkflowRequested():
            return where, "commit", event.sha
        case BranchPushed():
            return where, "branch", event.branch
        case RepositoryChanged():
            return ("repositories",)
        case InstallationChanged():
            return event.account, "account"
        case Ping():
            return ("ping",)

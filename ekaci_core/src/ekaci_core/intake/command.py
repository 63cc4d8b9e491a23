"""What a forge's news asks of the server: data, carried out elsewhere."""

from __future__ import annotations

import attrs

from ekaci_core.model.forge import Branch, Person, PullRequest, RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish


@attrs.frozen
class NotePullRequest:
    """Store what a pull request is now. Where newer news is there, nothing that follows is carried out."""

    pull_request: PullRequest


@attrs.frozen
class AskReview:
    """Ask for a review. ``state`` is `WAITING` or `QUEUED`; ``again``: also where there is a result already."""

    wish: ReviewWish
    state: ReviewState
    again: bool = False


@attrs.frozen
class CloseReviews:
    """Nobody wants these any more: all live ones of a repository, or those that every given attribute names."""

    repository: RepositoryId
    reason: str
    occasion: Occasion | None = None
    number: int | None = None
    sha: CommitSha | None = None
    base: Branch | None = None


@attrs.frozen
class ApproveCommit:
    """Somebody who may approves this commit, and no other."""

    repository: RepositoryId
    sha: CommitSha
    by: str


@attrs.frozen
class ApproveUser:
    """An operator trusts a person of ``forge``, a host, until further notice; what waits for that goes on."""

    forge: str
    person: Person
    notes: str = ""


@attrs.frozen
class RunAgain:
    """Somebody wants the review of a commit again."""

    repository: RepositoryId
    sha: CommitSha
    by: str


@attrs.frozen
class React:
    """Answer a comment by a sign."""

    repository: RepositoryId
    comment: int
    accepted: bool


@attrs.frozen
class RenameRepository:
    """All that is known goes by the new name."""

    before: RepositoryId
    after: RepositoryId


@attrs.frozen
class NoteInstalled:
    """Our application was given repositories of ``forge``, a host."""

    forge: str
    instance: str
    repositories: tuple[RepositoryId, ...]


@attrs.frozen
class NoteUninstalled:
    """Repositories were taken away."""

    forge: str
    instance: str
    repositories: tuple[RepositoryId, ...]


@attrs.frozen
class Ignore:
    """Nothing is to be done, or no more than what stands beside it; ``reason`` is for the log and for operators."""

    reason: str


Command = (
    NotePullRequest
    | AskReview
    | CloseReviews
    | ApproveCommit
    | ApproveUser
    | RunAgain
    | React
    | RenameRepository
    | NoteInstalled
    | NoteUninstalled
    | Ignore
)

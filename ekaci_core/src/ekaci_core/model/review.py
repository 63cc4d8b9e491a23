"""A review that the server makes: of a pull request, a merge group, a pushed branch or what an operator named."""

from __future__ import annotations

import enum

import attrs

from ekaci_core.model.forge import Branch, RepositoryId
from ekaci_core.model.ids import CommitSha


class Occasion(enum.Enum):
    """What a review is of."""

    PULL_REQUEST = "pull_request"
    MERGE_GROUP = "merge_group"
    BRANCH = "branch"
    """A branch that moved; its results are bases, sizes and histories for others, and nothing is reported."""
    COMMIT = "commit"
    """A commit that an operator named; nothing is reported."""
    DIRECTORY = "directory"
    """A directory of the server's machine, at no forge; nothing is reported."""

    @property
    def is_reported(self) -> bool:
        """Whether checks at the forge tell of it."""
        return self in (Occasion.PULL_REQUEST, Occasion.MERGE_GROUP)


class ReviewState(enum.Enum):
    """How far a review is."""

    WAITING = "waiting"
    """Somebody must approve it first. Nothing of head is evaluated, checked or built."""
    QUEUED = "queued"
    EVALUATING = "evaluating"
    BUILDING = "building"
    DONE = "done"
    FAULT = "fault"
    """The machine kept it from ending; it is tried again, and says nothing of the change."""
    SUPERSEDED = "superseded"
    """A newer commit of the same pull request is reviewed instead."""
    CLOSED = "closed"
    """The pull request was closed, or the merge group is gone."""
    NOT_CONFIGURED = "not_configured"
    """Neither side has a configuration file, so the repository has not asked for reviews."""

    @property
    def is_live(self) -> bool:
        """Whether somebody still wants its result and it is not there yet."""
        return self in _LIVE


_LIVE = frozenset(
    {ReviewState.WAITING, ReviewState.QUEUED, ReviewState.EVALUATING, ReviewState.BUILDING, ReviewState.FAULT}
)


@attrs.frozen
class ReviewWish:
    """What is to be reviewed.

    Attributes:
        repository: where it is reported: of a fork's pull request, the one it is to be merged into.
        occasion: what it is of.
        number: the pull request's number, None for others.
        base: the branch that it is to be merged into; of a pushed branch that branch.
        base_sha: the commit to compare with where the forge names one that holds (merge groups, pushes); else None, and
            the merge base with ``base`` is taken.
        head_sha: the commit to review.
        ref: the ref of ``repository`` at which ``head_sha`` can be fetched.
        trusted: whether its author may write to the repository; what others build must be sandboxed, and is pushed
            nowhere.
        author: login of the author; of what an operator named, that person's name on the server's machine.

    Of a `DIRECTORY`, `repository` has no forge and the way from the root of the file system as its path, ``ref`` is the
    directory's own spelling, and ``base`` names the file that is evaluated instead of the configured jobs, if any.
    """

    repository: RepositoryId
    occasion: Occasion
    number: int | None
    base: Branch
    base_sha: CommitSha | None
    head_sha: CommitSha
    ref: str
    trusted: bool
    author: str

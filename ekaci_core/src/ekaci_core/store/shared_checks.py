"""What several reviews of one commit want to stand there: forges show one check of a name at a commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from ekaci_core.model.check import Check
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.store.review import ReviewId, ReviewRecord


@attrs.frozen
class ReviewCheck:
    """What one review wants to stand at its commit under one name."""

    review: ReviewRecord
    check: Check


Join = Callable[[Sequence[ReviewCheck]], Check]
"""Makes one check of those of a name at a commit, of which there is at least one, in the order of their reviews."""


Leave = Callable[[ReviewRecord, Sequence[Check]], Sequence[Check]]
"""Says what is to stand instead of checks that no review wants that counts; given is the first that does count."""


class SharedChecks(Protocol):
    """The part of a store that holds them.

    A review counts at its commit while it is live; once it is done, as long as its pull request is open, of this commit
    and of this base. Nothing of reviews that are not reported counts.
    """

    async def want_review_checks(self, review: ReviewId, checks: Sequence[Check], *, join: Join, now: float) -> int:
        """Set what a review wants, and have the forge show what comes of all reviews that count, by ``join``.

        Both happen in one transaction. What the review wants is shown even if it does not count, as long as no other
        does. Returns how many rows of the outbox changed.
        """
        ...

    async def rejoin_checks(
        self, repository: RepositoryId, sha: CommitSha, *, join: Join, leave: Leave, now: float
    ) -> int:
        """Have the forge show what comes of the reviews that count at a commit now; returns how many rows changed.

        ``leave`` says what becomes of what only others have wanted. Where no review counts, nothing changes.
        """
        ...

    async def review_checks(self, review: ReviewId) -> Sequence[Check]:
        """Return what a review wants, by name."""
        ...

    async def standing_checks(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ReviewCheck]:
        """Return what the reviews that count at a commit want, by review and name."""
        ...

    async def standing_reviews(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ReviewRecord]:
        """Return the reviews that count at a commit, the first first."""
        ...

    async def shared_heads(self, *, since: float) -> Sequence[tuple[RepositoryId, CommitSha]]:
        """Return commits of pull requests that were noted since then and at which something else is reviewed as well.

        Of news that took more than a week to come nothing is returned.
        """
        ...

    async def prune_review_checks(self, *, before: float) -> int:
        """Forget what reviews that count nowhere wanted before a time, in several transactions; returns how much."""
        ...

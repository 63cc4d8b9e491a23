"""What the server reviews: wishes, states and results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NewType, Protocol

import attrs

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import ReviewState, ReviewWish

ReviewId = NewType("ReviewId", int)


@attrs.frozen
class ReviewRecord:
    """A review as it stands.

    ``detail`` says why it is in its state, in a sentence; times are seconds since the epoch. ``round`` counts how often
    it was asked for anew, from one; ``asked_at`` is of the present round, and so is ``decision``, that of
    `model.verdict`, None while it has none.
    """

    id: ReviewId
    wish: ReviewWish
    state: ReviewState
    asked_at: float
    changed_at: float
    detail: str = ""
    round: int = 1
    decision: str | None = None


class Reviews(Protocol):
    """The part of a store that holds them."""

    async def ask_review(self, wish: ReviewWish, state: ReviewState, *, now: float) -> ReviewId:
        """Ask for a review; ``state`` is `WAITING` or `QUEUED`.

        One of the same repository, occasion, number, base and head that is there already is returned as it is, but one
        that is `SUPERSEDED` or `CLOSED` is asked for anew as its next round: a commit can be pushed again, and a pull
        request reopened. Other live ones of the same pull request become `SUPERSEDED`, in the same transaction.
        """
        ...

    async def ask_review_again(self, review: ReviewId, *, now: float) -> bool:
        """Queue a review that is not live anew, as its next round; False if it is live, superseded or closed.

        What the round before decided is forgotten, report included.
        """
        ...

    async def change_review(
        self, review: ReviewId, state: ReviewState, *, expected: Collection[ReviewState], detail: str = "", now: float
    ) -> bool:
        """Set the state if the present one is among ``expected``; returns whether it was."""
        ...

    async def finish_review(
        self, review: ReviewId, *, decision: str, result: str, detail: str = "", now: float
    ) -> bool:
        """Store the result and make it `DONE`; False if it is not live any more."""
        ...

    async def approve_review(self, review: ReviewId, *, now: float) -> bool:
        """Queue a review that waits; False if it does not."""
        ...

    async def review(self, review: ReviewId) -> ReviewRecord | None:
        """Return one."""
        ...

    async def review_result(self, review: ReviewId) -> str:
        """Return its report as JSON, empty while there is none."""
        ...

    async def live_reviews(self) -> Sequence[ReviewRecord]:
        """Return all that are live, the first asked first."""
        ...

    async def given_up_reviews(self, *, since: float) -> Sequence[ReviewRecord]:
        """Return those that were superseded or closed after a time, the first first."""
        ...

    async def reviews_of(
        self, repository: RepositoryId, *, number: int | None = None, sha: CommitSha | None = None, limit: int = 100
    ) -> Sequence[ReviewRecord]:
        """Return those of a repository, of one pull request or of one head commit, the newest first."""
        ...

    async def prune_results(self, *, before: float) -> int:
        """Forget the reports stored before a time, in several transactions; returns how many. The reviews stay."""
        ...

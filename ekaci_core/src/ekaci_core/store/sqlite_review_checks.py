"""What single reviews want to stand at commits, over SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ekaci_core.model.check import Check
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.store import review_checks
from ekaci_core.store.database import Database
from ekaci_core.store.review import ReviewId, ReviewRecord
from ekaci_core.store.shared_checks import Join, Leave, ReviewCheck

# Few enough that nobody who writes meanwhile has to wait long.
_PRUNED_AT_ONCE: Final = 500


class SqliteReviewChecks:
    """Hands each call to `review_checks`, as one transaction; see `SharedChecks` for what they mean."""

    _database: Database

    async def want_review_checks(self, review: ReviewId, checks: Sequence[Check], *, join: Join, now: float) -> int:
        """See `SharedChecks`."""
        return await self._database.write(lambda tx: review_checks.want(tx, review, checks, join, now))

    async def rejoin_checks(
        self, repository: RepositoryId, sha: CommitSha, *, join: Join, leave: Leave, now: float
    ) -> int:
        """See `SharedChecks`."""
        return await self._database.write(
            lambda tx: review_checks.rejoin(tx, repository, sha, join=join, leave=leave, now=now)
        )

    async def review_checks(self, review: ReviewId) -> Sequence[Check]:
        """See `SharedChecks`."""
        return await self._database.read(lambda tx: review_checks.of(tx, review))

    async def standing_checks(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ReviewCheck]:
        """See `SharedChecks`."""
        return await self._database.read(lambda tx: review_checks.at(tx, repository, sha))

    async def standing_reviews(self, repository: RepositoryId, sha: CommitSha) -> Sequence[ReviewRecord]:
        """See `SharedChecks`."""
        return await self._database.read(lambda tx: review_checks.standing(tx, repository, sha))

    async def shared_heads(self, *, since: float) -> Sequence[tuple[RepositoryId, CommitSha]]:
        """See `SharedChecks`."""
        return await self._database.read(lambda tx: review_checks.shared(tx, since))

    async def prune_review_checks(self, *, before: float) -> int:
        """See `SharedChecks`."""
        return await self._database.write_in_parts(
            lambda tx: review_checks.prune(tx, before, _PRUNED_AT_ONCE), part=_PRUNED_AT_ONCE
        )

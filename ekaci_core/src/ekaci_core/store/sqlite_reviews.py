"""Reviews over SQLite."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

import anyio.to_thread

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import ReviewState, ReviewWish
from ekaci_core.store import reviews
from ekaci_core.store.database import Database
from ekaci_core.store.review import ReviewId, ReviewRecord

# Of a few megabytes each.
_PRUNED_AT_ONCE: Final = 10


class SqliteReviews:
    """Hands each call to `reviews`, as one transaction; see `Reviews` for what they mean.

    Reports have megabytes, and are compressed and decompressed where neither the event loop nor the writer waits.
    """

    _database: Database

    async def ask_review(self, wish: ReviewWish, state: ReviewState, *, now: float) -> ReviewId:
        """See `Reviews`."""
        return await self._database.write(lambda tx: reviews.ask(tx, wish, state, now))

    async def ask_review_again(self, review: ReviewId, *, now: float) -> bool:
        """See `Reviews`."""
        return await self._database.write(lambda tx: reviews.ask_again(tx, review, now))

    async def change_review(
        self, review: ReviewId, state: ReviewState, *, expected: Collection[ReviewState], detail: str = "", now: float
    ) -> bool:
        """See `Reviews`."""
        return await self._database.write(
            lambda tx: reviews.change(tx, review, state, expected=expected, detail=detail, now=now)
        )

    async def finish_review(
        self, review: ReviewId, *, decision: str, result: str, detail: str = "", now: float
    ) -> bool:
        """See `Reviews`."""
        report = await anyio.to_thread.run_sync(_compressed, result)
        return await self._database.write(lambda tx: reviews.finish(tx, review, decision, report, now, detail=detail))

    async def approve_review(self, review: ReviewId, *, now: float) -> bool:
        """See `Reviews`."""
        queued, expected = ReviewState.QUEUED, [ReviewState.WAITING]
        return await self._database.write(
            lambda tx: reviews.change(tx, review, queued, expected=expected, detail="", now=now)
        )

    async def review(self, review: ReviewId) -> ReviewRecord | None:
        """See `Reviews`."""
        return await self._database.read(lambda tx: reviews.find(tx, review))

    async def review_result(self, review: ReviewId) -> str:
        """See `Reviews`."""
        report = await self._database.read(lambda tx: reviews.report(tx, review))
        return "" if report is None else await anyio.to_thread.run_sync(_decompressed, report)

    async def live_reviews(self) -> Sequence[ReviewRecord]:
        """See `Reviews`."""
        return await self._database.read(reviews.live)

    async def given_up_reviews(self, *, since: float) -> Sequence[ReviewRecord]:
        """See `Reviews`."""
        return await self._database.read(lambda tx: reviews.given_up(tx, since))

    async def reviews_of(
        self, repository: RepositoryId, *, number: int | None = None, sha: CommitSha | None = None, limit: int = 100
    ) -> Sequence[ReviewRecord]:
        """See `Reviews`."""
        return await self._database.read(
            partial(reviews.of, repository=repository, number=number, sha=sha, limit=limit)
        )

    async def prune_results(self, *, before: float) -> int:
        """See `Reviews`."""
        return await self._database.write_in_parts(
            lambda tx: reviews.prune_results(tx, before, _PRUNED_AT_ONCE), part=_PRUNED_AT_ONCE
        )


def _compressed(report: str) -> bytes:
    # Lone surrogates, which JSON may have, come back as they went.
    return zlib.compress(report.encode(errors="surrogatepass"))


def _decompressed(report: bytes) -> str:
    return zlib.decompress(report).decode(errors="surrogatepass")

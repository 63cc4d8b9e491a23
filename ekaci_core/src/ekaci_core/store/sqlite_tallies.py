"""Counting over SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from ekaci_core.store import reviews, tallying
from ekaci_core.store.database import Database
from ekaci_core.store.review import ReviewRecord
from ekaci_core.store.tally import Tally


class SqliteTallies:
    """Hands each call to the module that does it, as one transaction; see `Tallies` for what they mean."""

    _database: Database

    async def tally(self) -> Tally:
        """See `Tallies`."""
        return await self._database.read(tallying.tally)

    async def reviews_at(self, sha: str, *, limit: int = 100) -> Sequence[ReviewRecord]:
        """See `Tallies`."""
        return await self._database.read(lambda tx: reviews.at(tx, sha, limit))

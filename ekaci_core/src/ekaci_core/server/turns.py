"""Who evaluates next: repositories take turns, however many reviews each of them waits with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import attrs

from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.review import Occasion

# A queue stands still until its group is through; nobody looks at the review of a branch.
_RANKS: Final = {Occasion.MERGE_GROUP: 0, Occasion.BRANCH: 2}


@attrs.define(eq=False)
class _Waiting:
    repository: RepositoryId
    rank: int
    number: int
    granted: anyio.Event = attrs.field(factory=anyio.Event)


@attrs.define(eq=False)
class Turns:
    """Lets so many work at once. Of a repository merge groups go first, then whoever has waited longest."""

    _free: int
    _waiting: list[_Waiting] = attrs.field(factory=list, init=False)
    _last: dict[RepositoryId, int] = attrs.field(factory=dict, init=False)
    _count: int = attrs.field(default=0, init=False)

    @asynccontextmanager
    async def of(self, repository: RepositoryId, occasion: Occasion) -> AsyncIterator[None]:
        """Wait for a turn, and have it for as long as the context is open."""
        self._count += 1
        mine = _Waiting(repository, _RANKS.get(occasion, 1), self._count)
        self._waiting.append(mine)
        self._grant()
        try:
            await mine.granted.wait()
            yield
        finally:
            if mine.granted.is_set():
                self._free += 1
            else:
                self._waiting.remove(mine)
            self._grant()

    def _grant(self) -> None:
        while self._free and self._waiting:
            best = min(self._waiting, key=lambda each: (self._last.get(each.repository, 0), each.rank, each.number))
            self._waiting.remove(best)
            self._free -= 1
            self._count += 1
            self._last[best.repository] = self._count
            best.granted.set()

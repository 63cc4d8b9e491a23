"""Pushes over SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.store import pushes
from ekaci_core.store.database import Database
from ekaci_core.store.push import Push, PushEnd, PushId, PushState, WantedPush

# Few enough that nobody who writes meanwhile has to wait long.
_PRUNED_AT_ONCE: Final = 500


class SqlitePushes:
    """Hands each call to `pushes`, as one transaction; see `Pushes` for what they mean."""

    _database: Database

    async def want_pushes(self, wanted: Sequence[WantedPush], *, now: float) -> int:
        """See `Pushes`."""
        return await self._database.write(lambda tx: pushes.want(tx, wanted, now))

    async def known_pushes(self, cache: str, paths: Collection[StorePath]) -> Mapping[StorePath, Push]:
        """See `Pushes`."""
        return await self._database.read(lambda tx: pushes.known(tx, cache, paths))

    async def pushes_due(self, cache: str, *, now: float, limit: int) -> Sequence[Push]:
        """See `Pushes`."""
        return await self._database.read(lambda tx: pushes.due(tx, cache, now, limit))

    async def next_push_at(self, cache: str, *, now: float) -> float | None:
        """See `Pushes`."""
        return await self._database.read(lambda tx: pushes.next_at(tx, cache, now))

    async def begin_pushes(self, begun: Collection[PushId], *, now: float) -> None:
        """See `Pushes`."""
        await self._database.write(lambda tx: pushes.begin(tx, begun, now))

    async def end_pushes(self, ends: Sequence[PushEnd], *, now: float) -> None:
        """See `Pushes`."""
        await self._database.write(lambda tx: pushes.end(tx, ends, now))

    async def resume_pushes(self, *, cache: str | None = None, now: float) -> int:
        """See `Pushes`."""
        return await self._database.write(lambda tx: pushes.resume(tx, cache, now))

    async def pushes(
        self,
        *,
        cache: str | None = None,
        state: PushState | None = None,
        limit: int = 100,
        before: PushId | None = None,
    ) -> Sequence[Push]:
        """See `Pushes`."""
        return await self._database.read(
            lambda tx: pushes.newest(tx, cache=cache, state=state, limit=limit, before=before)
        )

    async def count_pushes(self) -> Mapping[str, Mapping[PushState, int]]:
        """See `Pushes`."""
        return await self._database.read(pushes.count)

    async def retry_pushes(self, *, cache: str | None = None, push: PushId | None = None, now: float) -> int:
        """See `Pushes`."""
        return await self._database.write(lambda tx: pushes.retry(tx, cache, push, now))

    async def expire_pushes(self, *, before: float, reason: str, now: float) -> int:
        """See `Pushes`."""
        return await self._database.write(lambda tx: pushes.expire(tx, before, reason, now))

    async def prune_pushes(self, *, before: float) -> int:
        """See `Pushes`."""
        return await self._database.write_in_parts(
            lambda tx: pushes.prune(tx, before, _PRUNED_AT_ONCE), part=_PRUNED_AT_ONCE
        )

    async def unfinished_pushes(self) -> frozenset[StorePath]:
        """See `Pushes`."""
        return await self._database.read(pushes.unfinished)

    async def pushed_derivations(self) -> frozenset[DrvPath]:
        """See `Pushes`."""
        return await self._database.read(pushes.derivations)

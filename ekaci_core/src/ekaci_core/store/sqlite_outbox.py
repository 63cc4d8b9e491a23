"""The outbox over SQLite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from ekaci_core.model.check import Check
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.store import forge_writes, posts
from ekaci_core.store.database import Database
from ekaci_core.store.outbox import AccountUse, Post, PostId

# Few enough that nobody who writes meanwhile has to wait long.
_PRUNED_AT_ONCE: Final = 500


class SqliteOutbox:
    """Hands each call to `posts`, as one transaction; see `Outbox` for what they mean."""

    _database: Database

    async def want_checks(self, checks: Sequence[Check], *, now: float) -> int:
        """See `Outbox`."""
        return await self._database.write(lambda tx: posts.want(tx, checks, now))

    async def posts_due(self, *, now: float, limit: int) -> Sequence[Post]:
        """See `Outbox`."""
        return await self._database.read(lambda tx: posts.due(tx, now, limit))

    async def next_post_at(self, *, now: float = 0.0) -> float | None:
        """See `Outbox`."""
        return await self._database.read(lambda tx: posts.next_at(tx, now))

    async def post_sent(self, post: PostId, *, version: int, remote: str, now: float) -> None:
        """See `Outbox`."""
        await self._database.write(lambda tx: posts.sent(tx, post, version=version, remote=remote, now=now))

    async def post_failed(
        self, post: PostId, *, fault: str, not_before: float | None, forget: bool, version: int | None = None
    ) -> None:
        """See `Outbox`."""
        await self._database.write(
            lambda tx: posts.failed(tx, post, fault=fault, not_before=not_before, forget=forget, version=version)
        )

    async def posts_at(
        self, repository: RepositoryId, sha: CommitSha, contexts: Collection[str] = ()
    ) -> Sequence[Post]:
        """See `Outbox`."""
        return await self._database.read(lambda tx: posts.at(tx, repository, sha, contexts))

    async def resend_posts(self, repository: RepositoryId, sha: CommitSha, *, now: float) -> int:
        """See `Outbox`."""
        return await self._database.write(lambda tx: posts.resend(tx, repository, sha, now))

    async def prune_posts(self, *, before: float) -> int:
        """See `Outbox`."""
        return await self._database.write_in_parts(
            lambda tx: posts.prune(tx, before, _PRUNED_AT_ONCE), part=_PRUNED_AT_ONCE
        )

    async def note_write(self, account: str, *, now: float, keep_seconds: float) -> None:
        """See `Outbox`."""
        await self._database.write(lambda tx: forge_writes.note(tx, account, now, keep_seconds))

    async def pause_account(self, account: str, *, until: float) -> None:
        """See `Outbox`."""
        await self._database.write(lambda tx: forge_writes.pause(tx, account, until))

    async def account_use(self, account: str, *, since: float) -> AccountUse:
        """See `Outbox`."""
        return await self._database.read(lambda tx: forge_writes.of(tx, account, since))

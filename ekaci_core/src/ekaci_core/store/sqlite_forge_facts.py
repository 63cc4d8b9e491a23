"""What forges told, over SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from ekaci_core.model.forge import Person, PullRequest, RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.store import approvals, pull_requests, repositories
from ekaci_core.store.database import Database
from ekaci_core.store.forge_facts import Approval, ApprovedUser
from ekaci_core.store.repositories import note_installed, note_uninstalled


class SqliteForgeFacts:
    """Hands each call to the module of its aggregate, as one transaction; see `ForgeFacts` for what they mean.

    What people were told is settled, approvals and their withdrawal, is on the disk before it is told.
    """

    _database: Database

    async def note_pull_request(self, pull_request: PullRequest, *, now: float) -> bool:
        """See `ForgeFacts`."""
        return await self._database.write(lambda tx: pull_requests.note(tx, pull_request, now))

    async def known_pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """See `ForgeFacts`."""
        return await self._database.read(lambda tx: pull_requests.find(tx, repository, number))

    async def known_pull_requests(
        self, repository: RepositoryId | None = None, *, open_only: bool = True, limit: int = 100
    ) -> Sequence[PullRequest]:
        """See `ForgeFacts`."""
        return await self._database.read(
            lambda tx: pull_requests.newest(tx, repository, open_only=open_only, limit=limit)
        )

    async def approve_commit(self, repository: RepositoryId, sha: CommitSha, *, by: str, now: float) -> bool:
        """See `ForgeFacts`."""
        return await self._database.write_durably(
            lambda tx: approvals.approve_commit(tx, repository, sha, by=by, now=now)
        )

    async def commit_approval(self, repository: RepositoryId, sha: CommitSha) -> Approval | None:
        """See `ForgeFacts`."""
        return await self._database.read(lambda tx: approvals.of_commit(tx, repository, sha))

    async def approve_user(self, forge: str, person: Person, *, notes: str, now: float) -> bool:
        """See `ForgeFacts`."""
        return await self._database.write_durably(
            lambda tx: approvals.approve_user(tx, forge, person, notes=notes, now=now)
        )

    async def remove_approved_user(self, forge: str, login: str) -> bool:
        """See `ForgeFacts`."""
        return await self._database.write_durably(lambda tx: approvals.remove_user(tx, forge, login))

    async def approved_users(self, forge: str) -> Sequence[ApprovedUser]:
        """See `ForgeFacts`."""
        return await self._database.read(lambda tx: approvals.users(tx, forge))

    async def rename_repository(self, before: RepositoryId, after: RepositoryId) -> None:
        """See `ForgeFacts`."""
        await self._database.write(lambda tx: repositories.rename(tx, before, after))

    async def note_installed(
        self, forge: str, instance: str, repositories: Sequence[RepositoryId], *, now: float
    ) -> None:
        """See `ForgeFacts`."""
        await self._database.write(lambda tx: note_installed(tx, forge, instance, repositories, now))

    async def note_uninstalled(self, forge: str, instance: str, repositories: Sequence[RepositoryId]) -> None:
        """See `ForgeFacts`."""
        await self._database.write(lambda tx: note_uninstalled(tx, forge, instance, repositories))

    async def installed(self, forge: str | None = None) -> Sequence[RepositoryId]:
        """See `ForgeFacts`."""
        return await self._database.read(lambda tx: repositories.installed(tx, forge))

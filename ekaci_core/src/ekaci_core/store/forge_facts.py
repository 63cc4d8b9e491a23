"""What forges have told of repositories, pull requests and people, and whom operators trust."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from ekaci_core.model.forge import Person, PullRequest, RepositoryId
from ekaci_core.model.ids import CommitSha


@attrs.frozen
class ApprovedUser:
    """A person whose changes need no approval until he is removed. ``approved_at``: seconds since the epoch."""

    person: Person
    approved_at: float
    notes: str = ""


@attrs.frozen
class Approval:
    """A commit that somebody who may has approved: nothing but this commit."""

    repository: RepositoryId
    sha: CommitSha
    by: str
    at: float


class ForgeFacts(Protocol):
    """The part of a store that holds them.

    Repositories are told apart without regard to case, here and wherever a store names one. Their spelling is the one
    that was stored first, until a forge tells another one (by a pull request, an installation or a new name).
    """

    async def note_pull_request(self, pull_request: PullRequest, *, now: float) -> bool:
        """Store what is known now; False, and nothing is stored, where newer news is there already.

        News of the same time counts as newer: forges tell whole seconds.
        """
        ...

    async def known_pull_request(self, repository: RepositoryId, number: int) -> PullRequest | None:
        """Return one as it was told last."""
        ...

    async def known_pull_requests(
        self, repository: RepositoryId | None = None, *, open_only: bool = True, limit: int = 100
    ) -> Sequence[PullRequest]:
        """Return those last updated first."""
        ...

    async def approve_commit(self, repository: RepositoryId, sha: CommitSha, *, by: str, now: float) -> bool:
        """Approve one commit; False if it was already, and by whom stays. A loss of power does not undo it."""
        ...

    async def commit_approval(self, repository: RepositoryId, sha: CommitSha) -> Approval | None:
        """Return who approved a commit."""
        ...

    async def approve_user(self, forge: str, person: Person, *, notes: str, now: float) -> bool:
        """Trust a person until he is removed; False if he was already. Found again by number, not by login.

        Of one who was trusted already, a new login is taken over. A loss of power does not undo it.
        """
        ...

    async def remove_approved_user(self, forge: str, login: str) -> bool:
        """Trust nobody of this login any more, whatever its case; False if there was none.

        A loss of power does not undo it.
        """
        ...

    async def approved_users(self, forge: str) -> Sequence[ApprovedUser]:
        """Return all that are trusted at a forge, the first approved first."""
        ...

    async def rename_repository(self, before: RepositoryId, after: RepositoryId) -> None:
        """Let all that is known go by the new name: facts, reviews and what is to stand at commits.

        Where something is known under the new name already, both become one; where both have the same, that of the new
        name stays, and of pull requests the newer. One without ``before`` changes nothing.
        """
        ...

    async def note_installed(
        self, forge: str, instance: str, repositories: Sequence[RepositoryId], *, now: float
    ) -> None:
        """Note repositories that an instance was given."""
        ...

    async def note_uninstalled(self, forge: str, instance: str, repositories: Sequence[RepositoryId]) -> None:
        """Note repositories that were taken away."""
        ...

    async def installed(self, forge: str | None = None) -> Sequence[RepositoryId]:
        """Return the repositories that we were given, at one forge or at all, by name."""
        ...

"""What is to stand at forges, and what stands there as far as we know."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NewType, Protocol

import attrs

from ekaci_core.model.check import Check
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha

PostId = NewType("PostId", int)


@attrs.frozen
class Post:
    """The latest desired state of one check: one row for each forge, repository, commit and context.

    Attributes:
        id: its number.
        check: what is wanted.
        version: grows with each change of what is wanted.
        sent: the version that the forge shows, 0 while it shows none.
        remote: the forge's name of it.
        writes: how many writes the forge took since the check ended last, or at all.
        changed_at: when what is wanted changed last, in seconds since the epoch.
        sent_at: when the forge took the last one.
        not_before: it is left alone until then; infinite where it was given up.
        final: whether nothing is expected after this; final ones go before progress.
        fault: why it could not be sent the last time.
    """

    id: PostId
    check: Check
    version: int
    sent: int
    remote: str | None
    writes: int
    changed_at: float
    sent_at: float | None
    not_before: float
    final: bool
    fault: str = ""


@attrs.frozen
class AccountUse:
    """What an account of a forge was used for: when it was written with, and until when it is to be left alone.

    All times are seconds since the epoch.
    """

    times: tuple[float, ...] = ()
    shut_until: float = 0.0


class Outbox(Protocol):
    """The part of a store that holds them."""

    async def want_checks(self, checks: Sequence[Check], *, now: float) -> int:
        """Set what is wanted; what is wanted already changes nothing. Returns how many rows changed.

        Of several for the same row the last one counts. What was to be left alone until a time still is, but what was
        given up is tried again.
        """
        ...

    async def posts_due(self, *, now: float, limit: int) -> Sequence[Post]:
        """Return those whose wanted version is not sent and that may be sent now.

        First come the first words of a review, since what stands there is missing or of before; then the ends of what
        is shown as running, then other final ones, then what has waited longest, however often it changed meanwhile.
        """
        ...

    async def next_post_at(self, *, now: float = 0.0) -> float | None:
        """When the next one that is not due at ``now`` will be; None where there is none."""
        ...

    async def post_sent(self, post: PostId, *, version: int, remote: str, now: float) -> None:
        """Note that the forge shows this version."""
        ...

    async def post_failed(
        self, post: PostId, *, fault: str, not_before: float | None, forget: bool, version: int | None = None
    ) -> None:
        """Note that it could not be sent; without ``not_before`` it is given up until what is wanted changes.

        With ``version``, the one that could not be sent, it is not given up if what is wanted has changed since.
        ``forget`` says that the forge shows nothing any more.
        """
        ...

    async def posts_at(
        self, repository: RepositoryId, sha: CommitSha, contexts: Collection[str] = ()
    ) -> Sequence[Post]:
        """Return what is wanted at a commit, under these names or under any; what was wanted first comes first."""
        ...

    async def resend_posts(self, repository: RepositoryId, sha: CommitSha, *, now: float) -> int:
        """Have everything that is wanted at a commit sent again, what was given up too; returns how many rows that is.

        The forge's names of what stands there are kept, so that it is changed and not made a second time.
        """
        ...

    async def prune_posts(self, *, before: float) -> int:
        """Forget what was changed and sent last before a time, and what was given up before it; returns how many.

        It works in several transactions. What is wanted after that is found at the forge by its ``external_id``.
        """
        ...

    async def note_write(self, account: str, *, now: float, keep_seconds: float) -> None:
        """Note that something is about to be written with an account; writes older than ``keep_seconds`` are forgotten.

        Before, since a server that is killed does not know whether the forge has counted it.
        """
        ...

    async def pause_account(self, account: str, *, until: float) -> None:
        """Note that the forge wants to be left alone with an account; an earlier end than is known changes nothing."""
        ...

    async def account_use(self, account: str, *, since: float) -> AccountUse:
        """Return what an account was written with after a time, the first first."""
        ...

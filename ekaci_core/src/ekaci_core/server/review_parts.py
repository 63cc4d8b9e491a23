"""What all reviews of a server work with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from ekaci_core.api import Check, Clock, Evaluator, ForgeCapability, Logger, PluginContext
from ekaci_core.bus import Wakeup
from ekaci_core.delivery import Offering
from ekaci_core.delivery.hooks import HookWishes
from ekaci_core.git.mirror import Mirrors
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.nix.versions import Nix
from ekaci_core.reporting.check_results import MAX_FAILED_CHECKS, MAX_FAILED_STATUSES
from ekaci_core.reporting.checks import Subject, ended, outdated, settled
from ekaci_core.reporting.comment import comment_of
from ekaci_core.reporting.joining import joined
from ekaci_core.server.checkouts import CheckoutFolders
from ekaci_core.server.forges import Forges
from ekaci_core.server.options import ReviewOptions
from ekaci_core.server.shared_builds import SharedBuilds
from ekaci_core.store import Store
from ekaci_core.store.review import ReviewRecord


@attrs.frozen
class ReviewLimits:
    """How reviews of a server are made.

    Attributes:
        evaluations_kept: finished evaluations that stay.
        evaluations_max_age_seconds: how long one stays that nobody uses.
        max_failed_checks: checks of single packages for one review.
        repository_weights: parts of the builders, for `weight_of`.
        review_as_merged: patterns of repositories, for `matches_repository`.
        public_url: where people reach the server's pages; None where there are none.
    """

    evaluations_kept: int
    evaluations_max_age_seconds: float
    max_failed_checks: int = MAX_FAILED_CHECKS
    repository_weights: tuple[str, ...] = ()
    review_as_merged: tuple[str, ...] = ()
    public_url: str | None = None


@attrs.frozen
class ReviewParts:
    """Everything open that reviews share.

    Attributes:
        options: how each is made; the repository and its sides are filled in.
        roots: the folder of evaluations' gc roots.
        posted: woken when something is wanted at a forge.
        offering: brings what is built to caches.
        hooks: takes what is to be run of what was built.
    """

    store: Store
    forges: Forges
    mirrors: Mirrors
    evaluator: Evaluator
    nix: Nix
    context: PluginContext
    builds: SharedBuilds
    options: ReviewOptions
    folders: CheckoutFolders
    roots: Path
    limits: ReviewLimits
    clock: Clock
    log: Logger
    posted: Wakeup
    offering: Offering
    hooks: HookWishes

    async def want(self, record: ReviewRecord, wanted: Sequence[Check]) -> int:
        """Say what a review wants to stand at its commit; what differs from before in its time alone changes nothing.

        Where the commit is reviewed for another pull request as well, what stands there is of both.

        Returns:
            How many checks change by that.

        Raises:
            InfrastructureFault: the store failed.
        """
        known = {check.context: check for check in await self.store.review_checks(record.id)}
        settled_checks = [settled(check, known.get(check.context)) for check in wanted]
        changed = await self.store.want_review_checks(record.id, settled_checks, join=joined, now=self.clock.now())
        changed += await self.want_comment(record, await self.store.review_checks(record.id))
        self.posted.wake()
        return changed

    async def want_comment(self, record: ReviewRecord, said: Sequence[Check]) -> int:
        """Say what our comment on a pull request is to be, where the forge shows no texts of checks.

        Args:
            record: the review.
            said: its checks.

        Returns:
            How many comments change by that.

        Raises:
            InfrastructureFault: the store failed.
        """
        wish = record.wish
        if wish.number is None or self.can(wish.repository, ForgeCapability.CHECK_RUNS):
            return 0
        comment = comment_of(wish.number, said)
        return 0 if comment is None else await self.store.want_checks([comment], now=self.clock.now())

    def can(self, repository: RepositoryId, capability: ForgeCapability) -> bool:
        """Whether the forge of a repository can do something; all of it where nobody serves it any more."""
        forge = self.forges.serving(repository)
        return forge is None or capability in forge.capabilities

    def failed_checks(self, repository: RepositoryId) -> int:
        """How many packages that fail have a check of their own at most."""
        most = self.limits.max_failed_checks
        if self.can(repository, ForgeCapability.CHECK_RUNS):
            return most
        return min(most, MAX_FAILED_STATUSES)

    async def rejoin(self, repository: RepositoryId, sha: CommitSha, why: str) -> bool:
        """Have a commit show what the reviews say that count there now; False if none does.

        Args:
            repository: where.
            sha: the commit.
            why: what is said of checks that were of other reviews alone.

        Raises:
            InfrastructureFault: the store failed.
        """
        if not await self.store.standing_reviews(repository, sha):
            return False

        def leave(record: ReviewRecord, left: Sequence[Check]) -> Sequence[Check]:
            subject = self.subject(record)
            return (*ended(subject, left, why), *outdated(subject, left, ()))

        await self.store.rejoin_checks(repository, sha, join=joined, leave=leave, now=self.clock.now())
        self.posted.wake()
        return True

    def subject(self, record: ReviewRecord) -> Subject:
        """Say what the checks of a review are of."""
        wish, url = record.wish, self.limits.public_url
        return Subject(
            wish.repository,
            wish.head_sha,
            f"review-{record.id}-{record.round}",
            began_at=record.asked_at,
            now=self.clock.now(),
            url=None if url is None else f"{url}/reviews/{record.id}",
        )

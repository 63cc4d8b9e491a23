"""One review of a server, from a wish to its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import anyio
import attrs

from ekaci_core.api import Check, CheckStatus, Forge, InfrastructureFault, UsageFault
from ekaci_core.bus import Broadcast
from ekaci_core.config.faults import UnusableJobFile
from ekaci_core.config.merge import ReviewJob
from ekaci_core.config.repository import CONFIG_FILES, find_repository_config
from ekaci_core.config.review import ReviewConfiguration, combine
from ekaci_core.config.weights import matches_repository, weight_of
from ekaci_core.evaluation import Evaluations
from ekaci_core.git import Endpoints, Repository
from ekaci_core.git.merging import Conflicting, merged
from ekaci_core.git.mirror import Wanted
from ekaci_core.model.change import JobComparison
from ekaci_core.model.event import ReviewEvent
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.report import Report
from ekaci_core.model.repository import RepositoryConfig
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.model.verdict import Decision
from ekaci_core.registry.guard import leaves
from ekaci_core.reporting import check_results, checks, render_json
from ekaci_core.scheduler.wishes import Share
from ekaci_core.server.building import BuildResult
from ekaci_core.server.delivering import Results
from ekaci_core.server.inputs import ReviewInputs
from ekaci_core.server.named_revisions import commit_endpoints, directory_inputs
from ekaci_core.server.review_parts import ReviewParts
from ekaci_core.server.shared_builds import counts_of
from ekaci_core.server.stopwatch import Stopwatch
from ekaci_core.server.turns import Turns
from ekaci_core.server.work import Compared, ReviewWork
from ekaci_core.store import Store
from ekaci_core.store.review import ReviewRecord

MOST_WRITES: Final = 12
"""Writes at the forge for one push, beside one for each failure that has a check of its own."""

_FIRST_WORD_SECONDS: Final = 30.0
_WORK: Final = frozenset({ReviewState.QUEUED, ReviewState.EVALUATING, ReviewState.BUILDING, ReviewState.FAULT})
_UNSANDBOXED: Final = (
    "builds of people who may not write are refused here, because Nix does not keep every build in a sandbox"
    " (`sandbox = true` and `sandbox-fallback = false` are needed)"
)


class NotConfigured(Exception):
    """Neither side has a configuration file: the repository has not asked for reviews."""


class _Incomparable(UsageFault):
    """Head has no commit to be compared with."""


@attrs.define(eq=False)
class OneReview:
    """Makes one review. What it finds out is in the store at each step; made again, it goes on from there.

    ``_peers`` counts the reviews of its repository that are being made just now, this one included.
    """

    _parts: ReviewParts
    _record: ReviewRecord
    _turns: Turns
    _peers: Callable[[], int]
    _writes: int = attrs.field(default=1, init=False)

    async def make(self) -> None:
        """Review, store the result, and say what is wanted at the forge.

        Raises:
            EkaciError: something kept it from being made; nothing is known of the change then.
            NotConfigured: the repository has not asked for it.
        """
        wish = self._record.wish
        forge = None if wish.occasion is Occasion.DIRECTORY else self._parts.forges.must_serve(wish.repository)
        if not await self._advance(ReviewState.EVALUATING, "fetching"):
            return
        if forge is not None and wish.occasion.is_reported:
            if not await is_configured(forge, wish.repository, await sides_of(self._parts.store, wish)):
                raise NotConfigured
            await self._want(await self._first_checks())
        try:
            inputs = await directory_inputs(wish) if forge is None else await self._inputs(forge)
        except _Incomparable as fault:
            await self._refuse(checks.incomparable(self._subject(), fault.what), fault)
            return
        except Conflicting as fault:
            conflict = checks.conflicting(self._subject(), wish.base, fault.what, fault.do)
            await self._refuse(conflict, fault, Decision.WAIT)
            return
        except UsageFault as fault:
            await self._refuse(checks.misconfigured(self._subject(), str(fault), fault.do), fault)
            return
        configuration = inputs.configuration
        jobs = [job.name for job in configuration.jobs]
        await self._want(checks.configured(self._subject(), configuration.origin, jobs, configuration.warnings))
        try:
            await self._work(inputs)
        except (UnusableJobFile, BaseExceptionGroup) as error:
            faults = [each for each in leaves(error) if isinstance(each, UnusableJobFile)]
            if not faults or len(faults) < len(leaves(error)):
                raise
            await self._refuse(checks.misconfigured(self._subject(), str(faults[0]), faults[0].do), faults[0])

    async def _first_checks(self) -> Sequence[Check]:
        """What is said before anything is fetched; where an approval was waited for, that it is there.

        A review that is made again after a fault or a restart says nothing anew: writes are few.
        """
        wish, store = self._record.wish, self._parts.store
        posts = {post.check.context: post for post in await store.posts_at(wish.repository, wish.head_sha)}
        wanted = {check.context: check for check in await store.review_checks(self._record.id)}
        ours = {name for name, each in wanted.items() if each.external_id.startswith(f"{self._subject().key}/")}
        self._writes += sum(posts[name].writes for name in ours & posts.keys())
        if checks.VERDICT in ours and wanted[checks.VERDICT].status is not CheckStatus.COMPLETED:
            return ()
        waited = checks.approval_context(wish.author) in posts
        if not waited:
            return checks.queued(self._subject())
        approval = await store.commit_approval(wish.repository, wish.head_sha)
        return checks.approved(self._subject(), wish.author, approval.by if approval else None)

    async def _work(self, inputs: ReviewInputs) -> None:
        parts, limits = self._parts, self._parts.limits
        events: Broadcast[ReviewEvent] = Broadcast()
        confined = not self._record.wish.trusted
        builds = confined and parts.nix.settings.really_sandboxes and await self._is_approved()
        work = ReviewWork(
            attrs.evolve(parts.options, confine_head=confined, confined_builds=builds),
            inputs,
            parts.folders,
            parts.nix.settings,
            parts.context.environment,
            parts.evaluator,
            parts.store,
            Stopwatch(parts.clock, events),
        )
        async with Evaluations(
            parts.store,
            parts.evaluator,
            parts.clock,
            parts.roots,
            events,
            keep=limits.evaluations_kept,
            keep_seconds=limits.evaluations_max_age_seconds,
        ) as held:
            async with self._turns.of(self._record.wish.repository, self._record.wish.occasion):
                compared = await work.compare(held)
            await self._want(check_results.evaluated(self._subject(), compared.jobs))
            if await self._advance(ReviewState.BUILDING, "building"):
                pushes = await parts.offering.of(self._record, inputs.configuration.jobs)
                results = Results(pushes, compared.jobs, parts.log)
                with work.stages.stage("building"):
                    result = await self._build(compared, results)
                report = await work.report(compared, result)
                await self._conclude(report, results, inputs.configuration.jobs)

    async def _conclude(self, report: Report, results: Results, jobs: Sequence[ReviewJob]) -> None:
        if report.infrastructure:
            what = "; ".join(report.infrastructure)
            raise InfrastructureFault(what, where="builds", do="it is tried again by itself")
        # First, since after a crash between the two the review is made again, and wants the same.
        most = self._parts.failed_checks(self._record.wish.repository)
        wanted = check_results.concluded(self._subject(), report, most=most)
        await self._want([*checks.outdated(self._subject(), await self._standing(), wanted), *wanted])
        await results.all()  # caches never delay a verdict
        await self._parts.hooks.want(self._record, report.jobs, jobs)
        await self._parts.store.finish_review(
            self._record.id,
            decision=report.verdict.decision.value,
            result=render_json(report),
            now=self._parts.clock.now(),
        )

    async def _is_approved(self) -> bool:
        """Whether somebody who may write approved the commit, or an operator its author."""
        wish, store = self._record.wish, self._parts.store
        if await store.commit_approval(wish.repository, wish.head_sha) is not None:
            return True
        pull = None if wish.number is None else await store.known_pull_request(wish.repository, wish.number)
        if pull is None or pull.author.id <= 0:
            return False
        return any(each.person.id == pull.author.id for each in await store.approved_users(wish.repository.forge))

    async def _standing(self) -> Sequence[Check]:
        """What this review, or one that does not count any more, has said at the commit before."""
        wish, store = self._record.wish, self._parts.store
        at_commit = await store.standing_checks(wish.repository, wish.head_sha)
        others = {each.check.context for each in at_commit if each.review.id != self._record.id}
        own = {check.context: check for check in await store.review_checks(self._record.id)}
        posts = await store.posts_at(wish.repository, wish.head_sha)
        nobodys = [post.check for post in posts if post.check.context not in others | own.keys()]
        return [*own.values(), *nobodys]

    async def _build(self, compared: Compared, results: Results) -> BuildResult:
        wish = self._record.wish
        anything = any(change.head is not None for job in compared.jobs for change in job.changes)
        if anything and not wish.trusted and not self._parts.nix.settings.really_sandboxes:
            return BuildResult(0, (), notes=(_UNSANDBOXED,))
        name = f"{wish.repository}#{wish.number or wish.base}@{wish.head_sha.short}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell_progress, compared.jobs)
            tasks.start_soon(results.soon)
            # The reviews of a repository share what it would have alone.
            weight = weight_of(wish.repository, self._parts.limits.repository_weights)
            share = Share(name, weight / max(1, self._peers()))
            result = await self._parts.builds.build(share, compared.jobs, again=self._record.round > 1)
            tasks.cancel_scope.cancel()
        return result

    async def _tell_progress(self, jobs: Sequence[JobComparison]) -> None:
        """Say at growing intervals how far the builds are, as long as writes are left for it."""
        drvs = {change.head.drv for job in jobs for change in job.changes if change.head is not None}
        pause = _FIRST_WORD_SECONDS
        while self._writes < MOST_WRITES - len((checks.SUMMARY, checks.VERDICT)):
            await anyio.sleep(pause)
            pause *= 2
            known = await self._parts.store.builds(drvs)
            well, ill = counts_of([known[drv].state if drv in known else None for drv in drvs])
            title = f"Building: {well + ill:,} of {len(drvs):,} packages"
            sentences = [f"{well:,} built, {ill:,} failed, {len(drvs) - well - ill:,} to come."]
            await self._want(checks.progress(self._subject(), title, sentences))

    async def _refuse(
        self, wanted: Sequence[Check], fault: UsageFault, decision: Decision = Decision.DO_NOT_MERGE
    ) -> None:
        await self._want(wanted)
        now = self._parts.clock.now()
        told = f"{fault} ({fault.do})" if fault.do else str(fault)
        await self._parts.store.finish_review(self._record.id, decision=decision.value, result="", detail=told, now=now)

    async def _inputs(self, forge: Forge) -> ReviewInputs:
        wish = self._record.wish
        access = await forge.clone_access(wish.repository)
        base_ref = f"refs/heads/{wish.base}"
        wanted = [Wanted(wish.ref, wish.head_sha), Wanted(base_ref, wish.base_sha)]
        try:
            repository, commits = await self._parts.mirrors.fetch(wish.repository, access, wanted)
        except UsageFault as fault:
            if not wish.occasion.is_reported:
                raise
            do = "it is tried again by itself: forges are slow to show what was pushed"
            raise InfrastructureFault(fault.what, where=fault.where, do=do) from fault
        endpoints = await self._compared(repository, *commits)
        return ReviewInputs(repository, endpoints, await _configuration(repository, endpoints))

    async def _compared(self, repository: Repository, head: CommitSha, base: CommitSha) -> Endpoints:
        wish = self._record.wish
        try:
            if wish.occasion is Occasion.COMMIT:
                return await commit_endpoints(repository, head, base, label=wish.base)
            if self._as_merged:
                return await _merged_endpoints(repository, head, base, label=wish.base)
            return await _endpoints(repository, head, base, exact=wish.base_sha is not None, label=wish.base)
        except Conflicting:
            raise
        except UsageFault as fault:
            raise _Incomparable(fault.what, do=None if wish.occasion.is_reported else fault.do) from fault

    @property
    def _as_merged(self) -> bool:
        wish = self._record.wish
        patterns = self._parts.limits.review_as_merged
        return wish.occasion is Occasion.PULL_REQUEST and matches_repository(wish.repository, patterns)

    async def _advance(self, state: ReviewState, detail: str) -> bool:
        now = self._parts.clock.now()
        return await self._parts.store.change_review(self._record.id, state, expected=_WORK, detail=detail, now=now)

    async def _want(self, wanted: Sequence[Check]) -> None:
        if not self._record.wish.occasion.is_reported:
            return  # it is for others to compare with, or for who asked for it
        self._writes += await self._parts.want(self._record, wanted)

    def _subject(self) -> checks.Subject:
        return self._parts.subject(self._record)


async def sides_of(store: Store, wish: ReviewWish) -> list[CommitSha]:
    """Name the commits of both sides, as far as they are known before anything is fetched.

    Raises:
        InfrastructureFault: the store failed.
    """
    if wish.base_sha is not None:
        return [wish.head_sha, wish.base_sha]
    known = None if wish.number is None else await store.known_pull_request(wish.repository, wish.number)
    return [wish.head_sha] if known is None else [wish.head_sha, known.base_sha]


async def is_configured(forge: Forge, repository: RepositoryId, commits: Sequence[CommitSha]) -> bool:
    """Whether one of these commits has a configuration file, as the forge says without a clone.

    Raises:
        InfrastructureFault: the forge cannot be asked.
    """
    for sha in commits:
        for name in CONFIG_FILES:
            if await forge.read_file(repository, name, sha) is not None:
                return True
    return False


async def _endpoints(repository: Repository, head: CommitSha, base: CommitSha, *, exact: bool, label: str) -> Endpoints:
    tip = attrs.evolve(await repository.resolve(head), label=f"head {head.short}")
    onto = attrs.evolve(await repository.resolve(base), label=label)
    return Endpoints(onto if exact else await repository.merge_base(onto, tip), tip)


async def _merged_endpoints(repository: Repository, head: CommitSha, base: CommitSha, *, label: str) -> Endpoints:
    tip = attrs.evolve(await repository.resolve(head), label=f"head {head.short}")
    onto = attrs.evolve(await repository.resolve(base), label=f"{label} at {base.short}")
    note = f"reviewed as it would be once merged into {label} at {base.short}"
    return Endpoints(onto, await merged(repository, tip, onto), (note,))


async def _configuration(repository: Repository, endpoints: Endpoints) -> ReviewConfiguration:
    after = await find_repository_config(partial(repository.read_file, endpoints.head))
    before: RepositoryConfig | None = None
    warnings: tuple[str, ...] = ()
    try:
        before = await find_repository_config(partial(repository.read_file, endpoints.base))
    except UsageFault as fault:
        warnings = (f"the base's configuration is not used: {fault}",)
    if before is None and after is None and not warnings:
        raise NotConfigured
    return combine(before, after, warnings)

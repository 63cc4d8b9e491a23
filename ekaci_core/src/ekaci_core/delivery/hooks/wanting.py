"""From a review's builds to rows of hooks that are to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ekaci_core.api import Clock, Logger
from ekaci_core.bus import Wakeup
from ekaci_core.config.merge import ReviewJob
from ekaci_core.delivery.hooks.auditing import HookAudit
from ekaci_core.delivery.hooks.choosing import BuiltDerivation, BuiltJob, choose
from ekaci_core.delivery.hooks.rules import HookRules, branch_of
from ekaci_core.model.change import JobComparison
from ekaci_core.model.forge import Branch
from ekaci_core.store import Store
from ekaci_core.store.contract import DerivationId
from ekaci_core.store.hook_execution import HookOccasion
from ekaci_core.store.review import ReviewRecord


@attrs.frozen
class HookWishes:
    """Queues hooks. ``asked`` is woken when there are new ones."""

    store: Store
    rules: HookRules
    audit: HookAudit
    clock: Clock
    log: Logger
    asked: Wakeup

    async def want(self, record: ReviewRecord, comparisons: Sequence[JobComparison], jobs: Sequence[ReviewJob]) -> int:
        """Queue what is to be run of what a review has built; returns how many that are. Done again, it adds nothing.

        Raises:
            InfrastructureFault: the store failed.
        """
        wish = record.wish
        if self.rules.is_empty and not any(job.post_build_hooks or job.fod_post_build_hooks for job in jobs):
            return 0
        pull = None if wish.number is None else await self.store.known_pull_request(wish.repository, wish.number)
        branch = branch_of(wish, pull)
        if branch is None or not self._concerns(record, branch, jobs):
            return 0
        chosen = choose(await self._built(comparisons, jobs), self.rules, wish.repository, branch)
        for name, why in chosen.refused.items():
            await self.audit.denied(name, wish.repository, why)
        occasion = HookOccasion(review=record.id, repository=wish.repository, branch=branch, sha=wish.head_sha)
        count = await self.store.want_hooks(chosen.wanted, occasion, now=self.clock.now())
        if count:
            self.log.info("hooks_wanted", review=record.id, hooks=count)
            self.asked.wake()
        return count

    def _concerns(self, record: ReviewRecord, branch: Branch, jobs: Sequence[ReviewJob]) -> bool:
        own = any(job.post_build_hooks or job.fod_post_build_hooks for job in jobs)
        return own or bool(self.rules.of_server(record.wish.repository, branch))

    async def _built(self, comparisons: Sequence[JobComparison], jobs: Sequence[ReviewJob]) -> list[BuiltJob]:
        """Read what was built of each job's closure, by this review or by one that it builds on."""
        by_name = {job.name: job for job in jobs}
        known: dict[int, BuiltDerivation | None] = {}
        found = []
        for each in comparisons:
            heads = [change.head.drv for change in each.changes if change.head is not None]
            if not heads or each.job not in by_name:
                continue
            closure = await self.store.closure(list((await self.store.derivation_ids(heads)).values()))
            await self._learn([number for number in closure.keys if number not in known], known)
            built = [one for number in closure.keys if (one := known[number]) is not None]
            found.append(BuiltJob(by_name[each.job], built))
        return found

    async def _learn(self, numbers: Sequence[int], known: dict[int, BuiltDerivation | None]) -> None:
        known.update(dict.fromkeys(numbers))
        built_at: Mapping[int, float] = await self.store.built_at(numbers)
        records = await self.store.derivations([DerivationId(number) for number in built_at])
        for number, record in records.items():
            known[number] = BuiltDerivation(record.path, record.is_fixed_output, built_at[number])

"""From what a review has built to rows of the queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Final

import attrs

from ekaci_core.api import Clock, Logger, StorePath
from ekaci_core.config.merge import ReviewJob
from ekaci_core.delivery.auditing import Auditing
from ekaci_core.delivery.closures import in_order, owners, tops
from ekaci_core.delivery.policy import CacheRule, grants, origin_of
from ekaci_core.delivery.store_paths import PathStore
from ekaci_core.model.build import BuildState
from ekaci_core.model.change import JobComparison
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.path_info import PathInfo
from ekaci_core.store import Store
from ekaci_core.store.contract import DerivationId
from ekaci_core.store.push import PushState, WantedPush
from ekaci_core.store.review import ReviewRecord

Outputs = Sequence[tuple[StorePath, DrvPath]]

_PART: Final = 2000


@attrs.frozen
class Offering:
    """Offers the results of reviews to the caches that may have them. ``offered`` is called when there are new rows."""

    store: Store
    paths: PathStore
    rules: Mapping[str, CacheRule]
    auditing: Auditing
    clock: Clock
    log: Logger
    offered: Callable[[], None]

    async def of(self, record: ReviewRecord, jobs: Sequence[ReviewJob]) -> ReviewPushes:
        """Find out what a review may push, and tell operators of what it may not.

        Raises:
            InfrastructureFault: the store failed.
        """
        wish = record.wish
        pull = None if wish.number is None else await self.store.known_pull_request(wish.repository, wish.number)
        granted = grants(jobs, self.rules, origin_of(wish, pull))
        await self.auditing.refused(wish.repository, granted.refusals)
        return ReviewPushes(self, record, granted.jobs)


@attrs.define(eq=False)
class ReviewPushes:
    """What one review may push. Offered twice, nothing is stored twice."""

    _offering: Offering
    _record: ReviewRecord
    _caches: Mapping[str, tuple[CacheRule, ...]]
    _wanted: Mapping[DrvPath, Mapping[str, CacheRule]] | None = attrs.field(default=None, init=False)
    _packages: set[DrvPath] = attrs.field(factory=set, init=False)
    _offered: set[DrvPath] = attrs.field(factory=set, init=False)

    async def offer(self, jobs: Sequence[JobComparison]) -> int:
        """Store what of these jobs is built and not offered yet, in one transaction; returns how many rows that are.

        Raises:
            InfrastructureFault: the store, or Nix, failed.
        """
        if self._wanted is None:
            self._wanted = await self._find_wanted(jobs)
        wanted = self._wanted
        new = wanted.keys() - self._offered
        if not new:
            return 0
        records = await self._built(new)
        by_cache = await self._lacking(records, wanted)
        rows = await self._rows(by_cache)
        count = await self._offering.store.want_pushes(rows, now=self._offering.clock.now()) if rows else 0
        self._offered |= records.keys()
        if count:
            self._offering.log.info("pushes_wanted", review=self._record.id, paths=count)
            self._offering.offered()
        return count

    async def _find_wanted(self, jobs: Sequence[JobComparison]) -> Mapping[DrvPath, Mapping[str, CacheRule]]:
        """Find head's packages that are new, and what they are made of and base's are not, with their caches."""
        store = self._offering.store
        found: dict[DrvPath, Mapping[str, CacheRule]] = {}
        for job in jobs:
            rules = {rule.id: rule for rule in self._caches.get(job.job, ())}
            if not rules:
                continue
            heads = await store.derivation_ids([each.head.drv for each in job.changes if each.head is not None])
            bases = await store.derivation_ids([each.base.drv for each in job.changes if each.base is not None])
            new = await store.closure(list(heads.values()), beyond=list(bases.values()))
            below = [drv async for drv in self._named(new.keys)]
            for drv in (*heads, *below):
                known = found.setdefault(drv, rules)
                if known.keys() != rules.keys():
                    found[drv] = {**known, **rules}
            self._packages |= heads.keys()
        return found

    async def _named(self, numbers: Sequence[int]) -> AsyncIterator[DrvPath]:
        """Name derivations, a part at a time: their records are large, and there may be many."""
        for start in range(0, len(numbers), _PART):
            some = [DerivationId(number) for number in numbers[start : start + _PART]]
            for record in (await self._offering.store.derivations(some)).values():
                yield record.path

    async def _built(self, drvs: Collection[DrvPath]) -> dict[DrvPath, DerivationRecord]:
        store = self._offering.store
        builds = await store.builds(drvs)
        well = {drv for drv, build in builds.items() if build.state is BuildState.SUCCESS}
        below = well - self._packages
        # What packages are made of, and was not built here, came from elsewhere, where others find it too.
        attempts = await store.last_attempts(below)
        well -= {drv for drv in below if drv not in attempts or attempts[drv].outcome is not BuildState.SUCCESS}
        numbers = await store.derivation_ids(well)
        records = await store.derivations(list(numbers.values()))
        return {each.path: each for each in records.values()}

    async def _lacking(
        self, records: Mapping[DrvPath, DerivationRecord], wanted: Mapping[DrvPath, Mapping[str, CacheRule]]
    ) -> dict[str, tuple[CacheRule, Outputs]]:
        """Choose by cache the outputs that it was not offered yet, or did not take for another review."""
        outputs: dict[str, list[tuple[StorePath, DrvPath]]] = {}
        rules: dict[str, CacheRule] = {}
        for drv, record in records.items():
            for rule in wanted[drv].values():
                if rule.fixed_output_only and not record.is_fixed_output:
                    continue
                rules[rule.id] = rule
                found = [(each.path, drv) for each in record.outputs if each.path is not None]
                outputs.setdefault(rule.id, []).extend(found)
        lacking: dict[str, tuple[CacheRule, Outputs]] = {}
        for cache, of_cache in outputs.items():
            known = await self._offering.store.known_pushes(cache, [path for path, _ in of_cache])
            new = [(path, drv) for path, drv in of_cache if path not in known or known[path].state is PushState.FAILED]
            if new:
                lacking[cache] = (rules[cache], new)
        return lacking

    async def _rows(self, by_cache: Mapping[str, tuple[CacheRule, Outputs]]) -> list[WantedPush]:
        """Add what outputs refer to, where a cache gets that, and keep all of it from being collected."""
        everything = {path for _, outputs in by_cache.values() for path, _ in outputs}
        if not everything:
            return []
        paths = self._offering.paths
        infos = await paths.infos(everything, closure=any(rule.closure for rule, _ in by_cache.values()))
        # What is not there can be fetched from elsewhere, and so can whoever would fetch it from this cache.
        valid = sorted(everything & infos.keys())
        await paths.keep(tops(valid, {path: infos[path].references for path in valid}))
        rows = []
        for cache, (rule, outputs) in by_cache.items():
            rows += self._rows_of(cache, rule, outputs, infos)
        return rows

    def _rows_of(
        self, cache: str, rule: CacheRule, outputs: Outputs, infos: Mapping[StorePath, PathInfo]
    ) -> list[WantedPush]:
        listed = [(path, drv) for path, drv in outputs if path in infos]
        references = {path: info.references for path, info in infos.items()}
        owner = owners(listed, references)
        chosen = owner if rule.closure else {path for path, _ in listed}
        return [
            WantedPush(
                cache=cache,
                path=path,
                derivation=owner[path],
                repository=self._record.wish.repository,
                review=self._record.id,
            )
            for path in in_order({path: references[path] for path in chosen})
        ]

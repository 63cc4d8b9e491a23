"""Says what was pushed for whom: as lines of the log, and as audit records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ekaci_core.api import AlreadyPresent, Clock, Logger, Pushed, PushFailed, PushOutcome
from ekaci_core.delivery.policy import Refusal, Why
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.store.audit import Audit, AuditRecord
from ekaci_core.store.push import Push

STARTED: Final = "hook_execution_start"
COMPLETED: Final = "hook_execution_complete"
TIMED_OUT: Final = "hook_execution_timeout"
FAILED: Final = "hook_execution_error"
DENIED: Final = "hook_permission_denied"

Outcomes = Mapping[DrvPath, Mapping[StorePath, PushOutcome]]
"""What came of each path, by the derivation for whose outputs it is needed."""


def subject_of(cache: str) -> str:
    """Name a cache as audit records do."""
    return f"cache:{cache}"


@attrs.frozen
class Auditing:
    """Writes records, where ``enabled``; ``[security] audit_hooks`` says so."""

    store: Audit
    clock: Clock
    log: Logger
    enabled: bool = True

    async def refused(self, repository: RepositoryId, refusals: Sequence[Refusal]) -> None:
        """Tell operators which caches get nothing, and why. What is as usual is no warning.

        Raises:
            InfrastructureFault: the store failed.
        """
        records = []
        for each in refusals:
            tell = self.log.info if each.why is Why.UNTRUSTED else self.log.warning
            tell("cache_refused", problem=each.message, cache=each.cache, repository=str(repository))
            if each.why is not Why.UNKNOWN:
                records.append(
                    AuditRecord(
                        at=self.clock.now(),
                        event=DENIED,
                        subject=subject_of(each.cache),
                        repository=repository,
                        outcome=each.why.value,
                        detail=each.message,
                    )
                )
        await self._add(records)

    async def started(self, cache: str, pushes: Sequence[Push]) -> None:
        """Record that a push begins.

        Raises:
            InfrastructureFault: the store failed.
        """
        paths: dict[DrvPath, list[Push]] = {}
        for each in pushes:
            paths.setdefault(each.wanted.derivation, []).append(each)
        await self._add(
            [
                self._record(cache, STARTED, drv, found[0].wanted.repository, detail=counted(len(found)))
                for drv, found in paths.items()
            ]
        )

    async def ended(self, cache: str, pushes: Sequence[Push], outcomes: Outcomes, *, timed_out: bool) -> None:
        """Record what came of it.

        Raises:
            InfrastructureFault: the store failed.
        """
        repositories = {each.wanted.derivation: each.wanted.repository for each in pushes}
        await self._add(
            [self._ended(cache, drv, repositories[drv], found, timed_out) for drv, found in outcomes.items()]
        )

    def _ended(
        self,
        cache: str,
        drv: DrvPath,
        repository: RepositoryId,
        outcomes: Mapping[StorePath, PushOutcome],
        timed_out: bool,  # noqa: FBT001 - one of its own kind
    ) -> AuditRecord:
        failed = [(path, each) for path, each in outcomes.items() if isinstance(each, PushFailed)]
        if failed:
            path, outcome = failed[0]
            event = TIMED_OUT if timed_out else FAILED
            what = f"{len(failed)} of {counted(len(outcomes))} failed"
            detail = outcome.reason
            return self._record(cache, event, drv, repository, outcome=what, detail=detail, path=path)
        there = sum(isinstance(each, AlreadyPresent) for each in outcomes.values())
        sent = sum(each.sent_bytes or 0 for each in outcomes.values() if isinstance(each, Pushed))
        what = f"{counted(len(outcomes) - there)} pushed, {there} there already"
        return self._record(cache, COMPLETED, drv, repository, outcome=what, detail=f"{sent} bytes" if sent else "")

    def _record(
        self,
        cache: str,
        event: str,
        drv: DrvPath,
        repository: RepositoryId,
        *,
        outcome: str = "",
        detail: str = "",
        path: StorePath | None = None,
    ) -> AuditRecord:
        return AuditRecord(
            at=self.clock.now(),
            event=event,
            subject=subject_of(cache),
            repository=repository,
            derivation=drv,
            path=path,
            outcome=outcome,
            detail=detail,
        )

    async def _add(self, records: Sequence[AuditRecord]) -> None:
        if not self.enabled or not records:
            return
        for each in records:
            if each.event != DENIED:
                tell = self.log.warning if each.event in (TIMED_OUT, FAILED) else self.log.info
                tell(
                    each.event,
                    subject=each.subject,
                    repository=str(each.repository),
                    derivation=each.derivation,
                    outcome=each.outcome,
                    detail=each.detail,
                )
        await self.store.add_audit_records(records)


def counted(paths: int) -> str:
    """Write a number of paths."""
    return "1 path" if paths == 1 else f"{paths:,} paths"

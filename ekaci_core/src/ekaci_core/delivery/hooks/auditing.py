"""Says what hooks did, as lines of the log and as audit records."""

from __future__ import annotations

from typing import Final

import attrs

from ekaci_core.api import Clock, Logger
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.hook import HookState
from ekaci_core.store.audit import Audit, AuditRecord
from ekaci_core.store.hook_execution import HookExecution

STARTED: Final = "hook_execution_start"
COMPLETED: Final = "hook_execution_complete"
TIMED_OUT: Final = "hook_execution_timeout"
FAILED: Final = "hook_execution_error"
DENIED: Final = "hook_permission_denied"

_EVENTS: Final = {
    HookState.SUCCEEDED: COMPLETED,
    HookState.FAILED: COMPLETED,
    HookState.TIMED_OUT: TIMED_OUT,
}


@attrs.frozen
class HookAudit:
    """Writes records, where ``enabled``; ``[security] audit_hooks`` says so. What goes wrong is logged in any case."""

    store: Audit
    clock: Clock
    log: Logger
    enabled: bool = True

    async def denied(self, name: str, repository: RepositoryId, why: str) -> None:
        """Note that a repository names a hook that is not run.

        Raises:
            InfrastructureFault: the store failed.
        """
        self.log.warning(DENIED, hook=name, repository=str(repository), reason=why)
        if self.enabled:
            record = AuditRecord(
                at=self.clock.now(),
                event=DENIED,
                subject=f"hook:{name}",
                repository=repository,
                outcome="denied",
                detail=why,
            )
            await self.store.add_audit_records([record])

    async def started(self, execution: HookExecution) -> None:
        """Note that a hook begins.

        Raises:
            InfrastructureFault: the store failed.
        """
        if self.enabled:
            self.log.info(STARTED, **_fields(execution))
            await self._add(STARTED, execution, "", f"attempt {execution.attempts + 1}")

    async def ended(
        self, execution: HookExecution, state: HookState, *, exit_status: int | None = None, reason: str = ""
    ) -> None:
        """Note what came of a hook.

        Raises:
            InfrastructureFault: the store failed.
        """
        event = _EVENTS.get(state, FAILED)
        if state is not HookState.SUCCEEDED:
            self.log.warning(event, **_fields(execution), outcome=state.value, reason=reason)
        elif self.enabled:
            self.log.info(event, **_fields(execution), outcome=state.value)
        if self.enabled:
            status = "" if exit_status is None else f", exit status {exit_status}"
            await self._add(event, execution, f"{state.value}{status}", reason)

    async def _add(self, event: str, execution: HookExecution, outcome: str, detail: str) -> None:
        record = AuditRecord(
            at=self.clock.now(),
            event=event,
            subject=f"hook:{execution.hook}",
            repository=execution.repository,
            derivation=execution.drv,
            outcome=outcome,
            detail=detail,
        )
        await self.store.add_audit_records([record])


def _fields(execution: HookExecution) -> dict[str, object]:
    return {
        "hook": execution.hook,
        "origin": execution.origin.value,
        "repository": str(execution.repository),
        "derivation": execution.drv,
        "execution": execution.id,
    }

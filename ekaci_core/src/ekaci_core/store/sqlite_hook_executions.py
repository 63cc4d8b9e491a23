"""Runs of post-build hooks over SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ekaci_core.model.hook import HookState
from ekaci_core.store import hook_executions
from ekaci_core.store.database import Database
from ekaci_core.store.hook_execution import HookExecution, HookExecutionId, HookOccasion, WantedHook

# Few enough that nobody who writes meanwhile has to wait long.
_AT_ONCE: Final = 500


class SqliteHookExecutions:
    """Hands each call to `hook_executions`, as one transaction; see `HookExecutions` for what they mean."""

    _database: Database

    async def want_hooks(self, wanted: Sequence[WantedHook], occasion: HookOccasion, *, now: float) -> int:
        """See `HookExecutions`."""
        count = 0
        for first in range(0, len(wanted), _AT_ONCE):
            part = wanted[first : first + _AT_ONCE]
            count += await self._database.write(
                lambda tx, part=part: hook_executions.want(tx, part, occasion, now)  # type: ignore[misc]
            )
        return count

    async def pending_hooks(self, *, limit: int, after: int = 0) -> Sequence[HookExecution]:
        """See `HookExecutions`."""
        return await self._database.read(lambda tx: hook_executions.pending(tx, limit, after))

    async def begin_hook(self, execution: HookExecutionId, *, log_path: str, now: float) -> bool:
        """See `HookExecutions`."""
        return await self._database.write(lambda tx: hook_executions.begin(tx, execution, log_path, now))

    async def end_hook(
        self, execution: HookExecutionId, state: HookState, *, exit_status: int | None, reason: str, now: float
    ) -> None:
        """See `HookExecutions`."""
        await self._database.write(
            lambda tx: hook_executions.end(tx, execution, state, exit_status=exit_status, reason=reason, now=now)
        )

    async def recover_hooks(self, *, now: float) -> Sequence[HookExecution]:
        """See `HookExecutions`."""
        return await self._database.write(lambda tx: hook_executions.recover(tx, now))

    async def hook_executions(
        self, *, state: HookState | None = None, limit: int = 100, before: HookExecutionId | None = None
    ) -> Sequence[HookExecution]:
        """See `HookExecutions`."""
        return await self._database.read(lambda tx: hook_executions.newest(tx, state, limit, before))

    async def prune_hooks(self, *, before: float) -> int:
        """See `HookExecutions`."""
        return await self._database.write_in_parts(
            lambda tx: hook_executions.prune(tx, before, _AT_ONCE), part=_AT_ONCE
        )

    async def built_at(self, derivations: Collection[int]) -> Mapping[int, float]:
        """See `HookExecutions`."""
        return await self._database.read(lambda tx: hook_executions.built_at(tx, derivations))

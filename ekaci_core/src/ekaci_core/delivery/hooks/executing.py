"""The loop that runs hooks which are queued: a few at once, each in a task of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import anyio.to_thread
import attrs

from ekaci_core.api import Clock, InfrastructureFault, Logger
from ekaci_core.bus import Wakeup
from ekaci_core.delivery.hooks.auditing import HookAudit
from ekaci_core.delivery.hooks.place import remove_left_over
from ekaci_core.delivery.hooks.running import HookEnd, HookRunner
from ekaci_core.model.hook import HookState
from ekaci_core.process.plain import one_line
from ekaci_core.store import Store
from ekaci_core.store.hook_execution import HookExecution, HookExecutionId

AT_ONCE: Final = 4
LOOK_SECONDS: Final = 60.0
"""How often the store is looked at without anybody having said that there is something."""

_FAREWELL_SECONDS: Final = 10.0
_STOPPED: Final = "the server ended while it ran; it runs again"


@attrs.define(eq=False)
class HookQueue:
    """Runs what is queued, the first first. All that it knows is in the store; here is only what runs just now."""

    _store: Store
    _runner: HookRunner
    _audit: HookAudit
    _clock: Clock
    _log: Logger
    _asked: Wakeup
    _at_once: int = AT_ONCE
    _running: dict[HookExecutionId, Path] = attrs.field(factory=dict, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _idle: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    async def run(self) -> None:
        """Run hooks, for ever. Cancellation ends those that run and notes it; they run again.

        Raises:
            InfrastructureFault: the store failed.
        """
        await self._recover()
        async with anyio.create_task_group() as tasks:
            while True:
                for execution in await self._next():
                    await self._start(tasks, execution)
                await self._asked.wait(LOOK_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Begin nothing any more, and let what runs end, for so long at most."""
        self._closed = True
        with anyio.move_on_after(seconds):
            while self._running:
                self._idle = anyio.Event()
                await self._idle.wait()

    async def _recover(self) -> None:
        for execution in await self._store.recover_hooks(now=self._clock.now()):
            await self._audit.ended(execution, execution.state, reason=execution.reason)
        for error in await anyio.to_thread.run_sync(partial(remove_left_over, self._runner.places)):
            self._log.warning("hook_left_something", path=str(error.filename), reason=error.strerror)

    async def _next(self) -> list[HookExecution]:
        """Choose what is to begin now: of those that write one log, one at a time."""
        found: list[HookExecution] = []
        logs = set(self._running.values())
        after = 0
        while not self._closed and (room := self._at_once - len(self._running) - len(found)) > 0:
            pending = await self._store.pending_hooks(limit=room, after=after)
            if not pending:
                break
            after = pending[-1].id
            for each in pending:
                path = self._runner.log_path(each)
                if path not in logs:
                    logs.add(path)
                    found.append(each)
        return found

    async def _start(self, tasks: anyio.abc.TaskGroup, execution: HookExecution) -> None:
        path = self._runner.log_path(execution)
        if await self._store.begin_hook(execution.id, log_path=str(path), now=self._clock.now()):
            self._running[execution.id] = path
            tasks.start_soon(self._one, execution, name=f"hook {execution.id}")

    async def _one(self, execution: HookExecution) -> None:
        try:
            await self._audit.started(execution)
            try:
                end = await self._runner.run(execution)
            except InfrastructureFault:
                raise  # of the store: nobody could note what came of it
            except Exception as error:  # noqa: BLE001 - one hook that we cannot run must not end all others
                reason = one_line(f"{type(error).__name__}: {error}")
                self._log.warning("hook_met_a_defect", execution=execution.id, reason=reason)
                # Its text is for operators: nobody knows what is in it.
                end = HookEnd(HookState.FAILED, reason=f"a defect of EkaCI ({type(error).__name__}); please report it")
            except anyio.get_cancelled_exc_class():
                with anyio.move_on_after(_FAREWELL_SECONDS, shield=True):
                    await self._end(execution, HookEnd(HookState.INTERRUPTED, reason=_STOPPED))
                raise
            await self._end(execution, end)
        finally:
            del self._running[execution.id]
            self._idle.set()
            self._asked.wake()

    async def _end(self, execution: HookExecution, end: HookEnd) -> None:
        now = self._clock.now()
        await self._store.end_hook(execution.id, end.state, exit_status=end.exit_status, reason=end.reason, now=now)
        await self._audit.ended(execution, end.state, exit_status=end.exit_status, reason=end.reason)

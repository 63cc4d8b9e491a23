"""Keep one plugin object open in a task of its own.

A plugin's context manager may hold task groups open, and a task group cancels the task that opened it when one of its
children fails. In a task for each instance that ends this instance and nobody else's work.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import anyio
import anyio.abc

from ekaci_core.api import EkaciError, InfrastructureFault, Logger
from ekaci_core.registry.guard import Translating

Instance = TypeVar("Instance")


class Host(Generic[Instance]):
    """One instance: opened within a deadline, closed within another, both in the same task."""

    def __init__(self, opener: Callable[[], AbstractAsyncContextManager[Instance]], *, who: str, log: Logger) -> None:
        """Prepare; nothing runs yet.

        Args:
            opener: calls the type's ``open``.
            who: names type and plugin, for messages.
            log: gets a warning when the instance ends by itself or does not close properly.
        """
        self._opener = opener
        self._who = who
        self._log = log
        self._stop = anyio.Event()
        self._settled = anyio.Event()
        self._ended = anyio.Event()
        # Shielded: instances close when they are told to, in their order, and not all at once on cancellation.
        self._scope = anyio.CancelScope(shield=True)
        self._opened: list[Instance] = []
        self._fault: EkaciError | None = None

    async def open(self, tasks: anyio.abc.TaskGroup, deadline_seconds: float) -> Instance:
        """Open the instance in a task of ``tasks``.

        Raises:
            EkaciError: what ``open`` raised by the contract.
            InfrastructureFault: it raised something else, or was not open by the deadline.
        """
        tasks.start_soon(self._run, name=self._who)
        try:
            with anyio.move_on_after(deadline_seconds):
                await self._settled.wait()
        finally:
            if not self._opened:
                self._scope.cancel()
        if self._opened:
            return self._opened[0]
        raise self._fault or InfrastructureFault(
            f"was not open after {deadline_seconds:g} seconds", where=self._who, do="look for what it waits for"
        )

    async def close(self, deadline_seconds: float) -> None:
        """Close the instance; cancel it when it is not closed by the deadline. Cancellation does not disturb this."""
        self._stop.set()
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(deadline_seconds):
                await self._ended.wait()
            if not self._ended.is_set():
                self._log.warning("plugin_not_closed", who=self._who, after_seconds=deadline_seconds)
                self._scope.cancel()
                await self._ended.wait()

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._hold()
        except EkaciError as error:
            self._fault = error
            if self._opened:
                self._log.warning("plugin_ended", who=self._who, error=str(error))
        finally:
            self._settled.set()
            self._ended.set()

    async def _hold(self) -> None:
        with Translating(self._who, self._log):
            async with self._opener() as instance:
                self._opened.append(instance)
                self._settled.set()
                await self._stop.wait()
        if not self._stop.is_set():
            raise InfrastructureFault("ended by itself", where=self._who, do="look into its log")

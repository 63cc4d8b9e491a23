"""The HTTP server in a thread and an event loop of its own: it answers whatever keeps the rest of the process busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread

from ekaci_core.web.serving import WebServer

Work = Callable[[], Coroutine[Any, Any, None]]


class Front:
    """Runs a server elsewhere. What it serves may use the store and nothing else of this event loop."""

    def __init__(self, web: WebServer, *, beside: Work, last: Work) -> None:
        """Prepare.

        Args:
            web: bound already.
            beside: runs in the server's event loop as long as it serves.
            last: awaited there when it serves no more, before the event loop is closed.
        """
        self._web = web
        self._beside = beside
        self._last = last

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until the server is stopped, or until cancelled, which stops it in the same bounded way."""
        serving, ended = anyio.Event(), anyio.Event()
        began = partial(asyncio.get_running_loop().call_soon_threadsafe, serving.set)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hold, began, ended, name="http thread")
            await serving.wait()
            task_status.started()
            try:
                await ended.wait()
            finally:
                self._web.stop()  # the thread ends then, and leaving waits for it

    async def _hold(self, began: Callable[[], object], ended: anyio.Event) -> None:
        # A limit of its own: threads for other work must not keep it waiting.
        own = anyio.CapacityLimiter(1)
        await anyio.to_thread.run_sync(partial(anyio.run, self._serve, began), limiter=own)
        ended.set()

    async def _serve(self, began: Callable[[], object]) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._beside)
                await tasks.start(self._until_stopped, tasks.cancel_scope)
                began()
        finally:
            with anyio.CancelScope(shield=True):
                await self._last()

    async def _until_stopped(
        self, scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        await self._web.run(task_status=task_status)
        scope.cancel()

"""A plugin's call in a task of its own, so that one which cannot be cancelled is left behind instead of waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import anyio

from ekaci_core.api import Logger

Result = TypeVar("Result")

LEFT_BEHIND_AFTER_SECONDS: Final = 60.0
"""How long a call may take to end after it was cancelled: processes are stopped politely first."""

# The event loop itself does not keep tasks from being collected in the middle of their work.
_RUNNING: Final[set[asyncio.Task[None]]] = set()


class NoAnswer(Exception):
    """A call was cancelled at its deadline."""


class _Call(Generic[Result]):
    """Runs a call; a cancellation of the call is not one of whoever waits for it."""

    def __init__(self, call: Callable[[], Awaitable[Result]]) -> None:
        self._call = call
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        self.values: list[Result] = []
        self.error: Exception | None = None

    async def run(self) -> None:
        try:
            with self.scope:
                self.values.append(await self._call())
        except (SystemExit, BaseExceptionGroup) as error:
            self.error = error if isinstance(error, Exception) else RuntimeError(_ending(error))
        except Exception as error:  # noqa: BLE001 - it is raised again where somebody waits
            self.error = error
        finally:
            self.ended.set()


def _ending(error: BaseException) -> str:
    return f"it wants to end the process ({type(error).__name__})"


async def apart(
    call: Callable[[], Awaitable[Result]],
    *,
    who: str,
    log: Logger,
    deadline_seconds: float | None,
    grace_seconds: float = LEFT_BEHIND_AFTER_SECONDS,
) -> Result:
    """Await a call in a task of its own; it is cancelled with the caller and at the deadline.

    One that goes on all the same is left behind after the grace, with a warning: its caller goes on without it.

    Raises:
        NoAnswer: it was cancelled at its deadline.
        Exception: what the call raised.
    """
    running = _Call(call)
    task = asyncio.get_running_loop().create_task(running.run(), name=who)
    _RUNNING.add(task)
    task.add_done_callback(_RUNNING.discard)
    try:
        with anyio.move_on_after(deadline_seconds):
            await running.ended.wait()
    finally:
        if not running.ended.is_set():
            running.scope.cancel()
            with anyio.move_on_after(grace_seconds, shield=True):
                await running.ended.wait()
        if not running.ended.is_set():
            log.warning("plugin_left_behind", who=who, after_seconds=grace_seconds, do="restart the server to end it")
    if running.values:
        return running.values[0]
    raise running.error or NoAnswer

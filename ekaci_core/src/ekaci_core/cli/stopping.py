"""Ctrl-C and SIGTERM: stop what runs, keep what is known."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class Stopped(Exception):
    """A signal asked us to stop; everything that was started has ended by now."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number


@asynccontextmanager
async def stopping_on_signals() -> AsyncIterator[None]:
    """Cancel the body on SIGINT or SIGTERM.

    Raises:
        Stopped: after the body's own clean-up has finished.
    """
    received: list[int] = []

    async def watch(scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                received.append(int(number))
                scope.cancel()

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as body:
            tasks.start_soon(watch, body, name="signals")
            yield
        tasks.cancel_scope.cancel()
    if received:
        raise Stopped(received[0])

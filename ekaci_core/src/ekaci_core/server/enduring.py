"""Loops that outlive a fault of the machine: a full disk must not end a server, which answers and waits meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from ekaci_core.api import EkaciError, Logger
from ekaci_core.process.plain import one_line
from ekaci_core.registry.guard import leaves

FIRST_PAUSE_SECONDS: Final = 1.0
LAST_PAUSE_SECONDS: Final = 60.0


async def enduring(
    name: str, run: Callable[[], Awaitable[None]], log: Logger, *, first_seconds: float = FIRST_PAUSE_SECONDS
) -> None:
    """Run a loop for ever, and begin it again after each fault; all that it knows is in the store.

    Anything but a fault of the machine passes: it is a defect, and the service manager starts the server anew.
    """
    pause = first_seconds
    while True:
        began = anyio.current_time()
        try:
            await run()
        except (EkaciError, BaseExceptionGroup) as error:
            faults = leaves(error)
            if not all(isinstance(each, EkaciError) for each in faults):
                raise
            if anyio.current_time() - began > LAST_PAUSE_SECONDS:
                pause = first_seconds
            log.warning("loop_stopped", loop=name, reason=one_line(str(faults[0])), again_in_seconds=pause)
        else:
            return
        await anyio.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE_SECONDS)

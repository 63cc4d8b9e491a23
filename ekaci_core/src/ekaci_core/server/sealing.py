"""Compresses the logs of builds that succeeded, while others still run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import anyio
import anyio.to_thread

from ekaci_core.api import Logger
from ekaci_core.bus import Broadcast
from ekaci_core.bus.broadcast import Subscription
from ekaci_core.logs import log_of, seal
from ekaci_core.model.build import BuildState
from ekaci_core.model.errors import EkaciError
from ekaci_core.model.event import BuildFinished, ReviewEvent


@asynccontextmanager
async def sealing(events: Broadcast[ReviewEvent], logs_dir: Path, log: Logger) -> AsyncIterator[None]:
    """Compress logs of builds that are told of while the context is open, one at a time, in a thread.

    Logs of builds that failed stay as they are, for people and for reports. What is still to do when the context closes
    is left to retention, which compresses whatever it finds; so is what a fault of the disk prevented.
    """
    stopped = Event()
    fault: EkaciError | None = None
    with events.listening() as heard:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_seal_each, heard, logs_dir, log, stopped, name="sealing of logs")
            try:
                yield
            except EkaciError as raised:  # carried around the task group, which would wrap it
                fault = raised
            finally:
                stopped.set()
                tasks.cancel_scope.cancel()
    if fault is not None:
        raise fault


async def _seal_each(heard: Subscription[ReviewEvent], logs_dir: Path, log: Logger, stopped: Event) -> None:
    async for event in heard:
        if not isinstance(event, BuildFinished) or event.state is not BuildState.SUCCESS:
            continue
        path = log_of(logs_dir, event.drv.hash_part)
        try:
            await anyio.to_thread.run_sync(lambda path=path: seal(path, stopped=stopped.is_set))  # type: ignore[misc]
        except OSError as error:
            log.warning("log.not_compressed", path=str(path), reason=error.strerror)

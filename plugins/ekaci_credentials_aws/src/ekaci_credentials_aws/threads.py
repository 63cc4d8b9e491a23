"""Where blocking calls run: in threads that belong to one source, so that a service that hangs holds up only itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread
import attrs

THREADS: Final = 4

Result = TypeVar("Result")


@attrs.frozen
class Threads:
    """The worker threads of one source."""

    _limiter: anyio.CapacityLimiter = attrs.field(factory=lambda: anyio.CapacityLimiter(THREADS))

    async def run(self, call: Callable[[], Result]) -> Result:
        """Run a blocking call; whoever is cancelled does not wait for its end."""
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)

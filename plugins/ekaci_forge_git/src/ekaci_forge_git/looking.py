"""Looks at a remote on behalf of whoever asks: one at a time, and a long first fetch outlives the question."""

from __future__ import annotations

from typing import Final

import anyio
import attrs

from ekaci_core.api import EkaciError, InfrastructureFault
from ekaci_forge_git.cache import Cache

PATIENCE_SECONDS: Final = 42.0
"""How long a question waits; the server gives up a little later."""


@attrs.define
class _Look:
    done: anyio.Event = attrs.field(factory=anyio.Event)
    fault: EkaciError | None = None


class Looking:
    """Shares looks: who asks while one is under way gets the next, which sees what he saw."""

    def __init__(self, cache: Cache) -> None:
        """Take the copy; `run` does the work."""
        self._cache = cache
        self._next = _Look()
        self._asked = anyio.Event()

    async def run(self) -> None:
        """Look whenever somebody asks, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked = anyio.Event()
            look, self._next = self._next, _Look()
            try:
                await self._cache.look()
            except EkaciError as fault:
                look.fault = fault
            finally:
                look.done.set()

    async def now(self) -> None:
        """Wait for a look that begins after this.

        Raises:
            InfrastructureFault: the remote does not answer, or is still being fetched.
        """
        look = self._next
        self._asked.set()
        with anyio.move_on_after(PATIENCE_SECONDS):
            await look.done.wait()
        where = str(self._cache.remote.repository)
        if not look.done.is_set():
            raise InfrastructureFault("it is still being fetched", where=where, do="wait: it goes on in the background")
        if look.fault is not None:
            raise InfrastructureFault(str(look.fault)) from look.fault

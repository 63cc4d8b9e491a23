"""Wake-ups: somebody has written a fact that somebody else may be waiting for. They carry nothing and lose nothing."""

from __future__ import annotations

import anyio


class Wake:
    """A counter that loops wait on.

    A loop remembers what it has `seen`, reads the store, and waits for anything `after` that: a wake-up that comes
    while it reads is not lost.
    """

    def __init__(self) -> None:
        self._count = 0
        self._event = anyio.Event()

    def up(self) -> None:
        """Wake all who wait."""
        self._count += 1
        self._event.set()
        self._event = anyio.Event()

    def seen(self) -> int:
        """Return what to give to `after`."""
        return self._count

    async def after(self, seen: int) -> None:
        """Return once there was a wake-up after ``seen``, at once if there was already."""
        while self._count == seen:
            await self._event.wait()

"""A wake-up for one sleeper: it says that something may have changed, and never what."""

from __future__ import annotations

import anyio


class Wakeup:
    """Lets one service sleep until somebody has news for it or a deadline comes.

    A wake-up while nobody sleeps is kept, and many are as good as one: who wakes looks at everything.
    """

    def __init__(self) -> None:
        self._news = anyio.Event()

    def wake(self) -> None:
        """Wake the sleeper, now or when it next lies down."""
        self._news.set()

    async def wait(self, seconds: float) -> bool:
        """Sleep until somebody wakes us, or for so many seconds; returns whether somebody did."""
        with anyio.move_on_after(seconds):
            await self._news.wait()
            self._news = anyio.Event()
            return True
        return False

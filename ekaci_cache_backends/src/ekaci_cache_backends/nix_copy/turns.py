"""One push, or one question: a way to the place, which is renewed once where the secrets are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.lowlevel
import attrs

from ekaci_cache_backends.nix_copy.shelves import Shelf, Shelves
from ekaci_cache_backends.nix_copy.trouble import Trouble, of_fault
from ekaci_core.api import EkaciError, HeldCredentials, Lease

Result = TypeVar("Result")


@attrs.define
class Turn:
    """A way to the place, for several tasks at once."""

    _shelves: Shelves
    _held: HeldCredentials
    _lease: Lease
    _shelf: Shelf
    _renewed: bool = False
    _lock: anyio.Lock = attrs.field(factory=anyio.Lock)

    async def do(self, work: Callable[[Shelf], Awaitable[Result]]) -> Result:
        """Do something there; where it is denied, once more with secrets that are read anew.

        Raises:
            Trouble: it failed.
        """
        shelf = self._shelf
        try:
            return await work(shelf)
        except Trouble as trouble:
            if not trouble.denied or not await self._replaced(shelf):
                raise
        return await work(self._shelf)

    async def _replaced(self, refused: Shelf) -> bool:
        async with self._lock:
            if self._shelf is refused and not self._renewed:
                self._renewed = True
                try:
                    self._lease = await self._held.renew(self._lease)
                    self._shelf = await self._shelves.open(self._lease)
                except EkaciError as fault:
                    raise of_fault(fault) from None
                refused.cut()
            return self._shelf is not refused

    def cut(self) -> None:
        """Break off everything that goes on."""
        self._shelf.cut()


@asynccontextmanager
async def turn(shelves: Shelves, held: HeldCredentials) -> AsyncIterator[Turn]:
    """Open a way to the place; all that goes on there is cut off when this is left or cancelled.

    Raises:
        EkaciError: it may not be reached, there are no secrets, or its name does not resolve.
    """
    lease = await held.resolve()
    current = Turn(shelves, held, lease, await shelves.open(lease))
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        # Threads do not see a cancellation: they end when what they talk through is gone.
        tasks.start_soon(_cut_at_end, current)
        try:
            yield current
        except Exception as raised:  # noqa: BLE001 - carried around the task group, which would wrap it
            failure = raised
        tasks.cancel_scope.cancel()
    await anyio.lowlevel.checkpoint_if_cancelled()  # what was cut off has failed, but is nobody's outcome
    if failure is not None:
        raise failure


async def _cut_at_end(current: Turn) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        current.cut()

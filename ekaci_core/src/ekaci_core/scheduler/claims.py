"""Leases on derivations, so that no two processes build the same one."""

from __future__ import annotations

import anyio

from ekaci_core.api import Clock
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.worker import process_of, worker_name
from ekaci_core.store.contract import Store


class Claims:
    """What one run holds. `renew` keeps it while the run lives."""

    def __init__(self, store: Store, clock: Clock, *, lease_seconds: float) -> None:
        self.worker = worker_name()
        self._store = store
        self._clock = clock
        self._lease = lease_seconds
        self._held: set[DrvPath] = set()

    async def take(self, drv: DrvPath) -> bool:
        """Claim a derivation; False while another living worker has it.

        A holder on this machine whose process is gone loses its claim at once, one elsewhere when its lease ends.
        """
        self._held.add(drv)
        holder = await self._claim(drv)
        if holder is not None and (process := process_of(holder)) is not None and process.is_dead:
            await self._store.release(drv, holder)
            holder = await self._claim(drv)
        if holder is not None:
            self._held.discard(drv)
        return holder is None

    async def release(self, drv: DrvPath) -> None:
        """Give a claim up, also while we are being cancelled."""
        self._held.discard(drv)
        with anyio.CancelScope(shield=True):
            await self._store.release(drv, self.worker)

    async def release_all(self) -> None:
        """Give up what is still held."""
        for drv in tuple(self._held):
            await self.release(drv)

    async def renew(self) -> None:
        """Renew all that is held, for ever.

        A lease that was lost meanwhile (the machine slept) is not fought for: Nix's own locks keep two builds of one
        derivation apart, and both ends are recorded.
        """
        while True:
            await anyio.sleep(self._lease / 3)
            for drv in tuple(self._held):
                if drv in self._held:
                    await self._claim(drv)

    async def _claim(self, drv: DrvPath) -> str | None:
        now = self._clock.now()
        return await self._store.claim(drv, self.worker, now=now, until=now + self._lease)

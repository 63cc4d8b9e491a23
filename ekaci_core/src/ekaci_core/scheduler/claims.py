"""Leases on derivations, so that no two processes build the same one."""

from __future__ import annotations

from typing import Final

import anyio

from ekaci_core.api import Clock
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.clock_jumps import Moment
from ekaci_core.scheduler.worker import process_of, worker_name
from ekaci_core.store.contract import Store

_LOOK_SECONDS: Final = 1.0


class Claims:
    """What one run holds. `renew` keeps it while the run lives."""

    def __init__(self, store: Store, clock: Clock, *, lease_seconds: float) -> None:
        self.worker = worker_name()
        self._store = store
        self._clock = clock
        self._lease = lease_seconds

    @property
    def until(self) -> float:
        """When a lease taken now ends."""
        return self._clock.now() + self._lease

    async def take(self, drv: DrvPath) -> bool:
        """Claim a derivation; False while another living worker has it."""
        holder = await self._claim(drv)
        if holder is not None and await self.evict(drv, holder):
            holder = await self._claim(drv)
        return holder is None

    async def evict(self, drv: DrvPath, holder: str) -> bool:
        """End the claim of a holder on this machine whose process is gone; one elsewhere loses it when its lease ends.

        Returns whether the holder is gone.
        """
        process = process_of(holder)
        if process is None or not process.is_dead:
            return False
        await self._store.release(drv, holder)
        return True

    async def release(self, drv: DrvPath) -> None:
        """Give a claim up, also while we are being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._store.release(drv, self.worker)

    async def release_all(self) -> None:
        """Give up all that is still held."""
        await self._store.release_claims(self.worker)

    async def renew(self) -> None:
        """Renew all that is held, for ever, and soon after the time of day was set: others see leases end by that.

        A lease that was lost meanwhile (the machine slept) is not fought for: Nix's own locks keep two builds of one
        derivation apart, and both ends are recorded.
        """
        while True:
            await self._until_renewal()
            await self._store.renew_claims(self.worker, until=self.until)

    async def _until_renewal(self) -> None:
        renewed, seconds = Moment.of(self._clock), self._lease / 3
        deadline = anyio.current_time() + seconds
        while (left := deadline - anyio.current_time()) > 0 and not renewed.has_jumped(self._clock):  # noqa: ASYNC110 - a clock tells nobody
            await anyio.sleep(min(left, _LOOK_SECONDS))

    async def _claim(self, drv: DrvPath) -> str | None:
        return await self._store.claim(drv, self.worker, now=self._clock.now(), until=self.until)

"""Asks forges for deliveries that did not reach us."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import anyio

from ekaci_core.api import Clock, ForgeCapability, InfrastructureFault, Logger
from ekaci_core.intake.needs import IntakeStore
from ekaci_core.registry.open_forge import OpenForge

INTERVAL_SECONDS: Final = 300.0
OVERLAP_SECONDS: Final = 3600.0
"""How far back a look goes while all is well."""
LONGEST_SECONDS: Final = 3 * 86_400.0
"""GitHub sends deliveries of the last three days again:
https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks"""
MOST_TIMES: Final = 3
"""How often one delivery is asked for: one that fails each time would fail for ever."""


class CatchingUp:
    """Looks into the log of each forge that has one, at start and every few minutes."""

    def __init__(
        self,
        store: IntakeStore,
        forges: Sequence[OpenForge],
        clock: Clock,
        log: Logger,
        *,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._store = store
        self._forges = [each for each in forges if ForgeCapability.DELIVERY_LOG in each.forge.capabilities]
        self._clock = clock
        self._log = log
        self._interval_seconds = interval_seconds
        self._asked: Counter[tuple[str, str]] = Counter()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for each in self._forges:
                tasks.start_soon(self._watch, each, name=f"deliveries of {each.instance}")

    async def _watch(self, at: OpenForge) -> None:
        since: float | None = None
        while True:
            try:
                await self._ask(at, await self._begin() if since is None else since)
            except InfrastructureFault as fault:
                self._log.warning("deliveries_not_looked_for", forge=at.instance, reason=str(fault))
            else:
                since = self._clock.now() - OVERLAP_SECONDS
            await anyio.sleep(self._interval_seconds)

    async def _begin(self) -> float:
        """When we may have been away since: from the newest delivery that we have."""
        now = self._clock.now()
        newest = await self._store.deliveries(limit=1)
        last = newest[0].received_at if newest else now
        return max(last - OVERLAP_SECONDS, now - LONGEST_SECONDS)

    async def _ask(self, at: OpenForge, since: float) -> None:
        known = await self._store.delivery_names(at.type, since=since - OVERLAP_SECONDS)
        given_up = {name for (kind, name), times in self._asked.items() if kind == at.type and times >= MOST_TIMES}
        missed = await at.forge.missed_deliveries(since=since, known=known | given_up)
        self._asked.update((at.type, name) for name in missed)
        if missed:
            self._log.info("deliveries_asked_for_again", forge=at.instance, count=len(missed))

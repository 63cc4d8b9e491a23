"""Caches of a server: opened from its configuration, and fed with what reviews have built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import anyio
import attrs

from ekaci_core.api import Clock, InfrastructureFault, Logger
from ekaci_core.config.entries import CacheEntry
from ekaci_core.config.server import ServerConfig
from ekaci_core.delivery import (
    Auditing,
    CacheRule,
    NixPaths,
    Offering,
    OpenCache,
    Pushing,
    PushParts,
    ReviewPushes,
)
from ekaci_core.model.change import JobComparison
from ekaci_core.registry import Instances
from ekaci_core.server.server_places import ServerPlaces
from ekaci_core.store import Store

SOON_SECONDS: Final = 20.0
"""How often what was built is offered while a review goes on."""
FIRST_RETRY_SECONDS: Final = 5.0
LAST_RETRY_SECONDS: Final = 600.0
"""Pauses after a fault of the machine when all is offered, doubled from the first to the last."""


@attrs.frozen
class Delivering:
    """What brings results to caches: reviews offer them, and loops push."""

    offering: Offering
    pushing: Pushing
    auditing: Auditing


@attrs.frozen
class Surroundings:
    """What delivering works with. ``environment`` is Nix's."""

    store: Store
    places: ServerPlaces
    environment: Mapping[str, str]
    clock: Clock
    log: Logger


async def open_delivering(config: ServerConfig, instances: Instances, around: Surroundings) -> Delivering:
    """Open every configured cache, for as long as ``instances`` are.

    Raises:
        UsageFault: a cache is of a type that no active plugin brings, or what its table says cannot be used.
        InfrastructureFault: one lacks what it needs on this machine.
    """
    caches = [
        OpenCache(rule_of(entry), await instances.cache(entry.cache_type, entry.config)) for entry in config.caches
    ]
    store, clock, log = around.store, around.clock, around.log
    auditing = Auditing(store, clock, log, enabled=config.security.audit_hooks)
    paths = NixPaths(around.environment, around.places.pushes)
    seconds = float(config.security.max_hook_timeout_seconds)
    pushing = Pushing(caches, PushParts(store, paths, auditing, clock, log, around.places.logs, seconds))
    rules = {each.rule.id: each.rule for each in caches}
    return Delivering(Offering(store, paths, rules, auditing, clock, log, pushing.wake), pushing, auditing)


def rule_of(entry: CacheEntry) -> CacheRule:
    """Read what the core says of a cache."""
    return CacheRule(
        id=entry.id,
        permissions=entry.permissions,
        allow_untrusted=entry.allow_untrusted,
        closure=entry.closure,
        fixed_output_only=entry.fixed_output_only,
        concurrent=entry.max_concurrent_pushes,
    )


@attrs.frozen
class Results:
    """What one review builds, on its way to caches. ``first_seconds`` is the first pause after a fault."""

    pushes: ReviewPushes
    jobs: Sequence[JobComparison]
    log: Logger
    first_seconds: float = FIRST_RETRY_SECONDS

    async def soon(self) -> None:
        """Offer what is built from time to time, for as long as the review builds."""
        while True:
            await anyio.sleep(SOON_SECONDS)
            try:
                await self.pushes.offer(self.jobs)
            except InfrastructureFault as fault:
                self.log.warning("results_not_offered", reason=str(fault))

    async def all(self) -> None:
        """Offer all that is built, however long the machine is at fault: nobody asks for it again."""
        pause = self.first_seconds
        while True:
            try:
                await self.pushes.offer(self.jobs)
            except InfrastructureFault as fault:
                self.log.warning("results_not_offered", reason=str(fault), again_in_seconds=pause)
            else:
                return
            await anyio.sleep(pause)
            pause = min(2 * pause, LAST_RETRY_SECONDS)

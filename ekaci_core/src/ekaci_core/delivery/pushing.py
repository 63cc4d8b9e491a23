"""All loops together, and what is to be known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import anyio
import attrs

from ekaci_core.api import Cache
from ekaci_core.bus import Wakeup
from ekaci_core.delivery.cache_pushes import CachePushes, PushParts
from ekaci_core.delivery.policy import CacheRule
from ekaci_core.store.push import PushState

EXPIRY_SECONDS: Final = 7 * 86_400.0
"""What waits for longer is given up: its cache is away, or configured no more."""
KEPT_SECONDS: Final = 30 * 86_400.0
"""For so long it is remembered what a cache has; after that it is asked again."""

_NEW_SECONDS: Final = 3600.0
_EXPIRED: Final = "the cache did not take it for a week"


@attrs.frozen
class OpenCache:
    """A cache that is configured and open."""

    rule: CacheRule
    cache: Cache


@attrs.frozen
class CacheReport:
    """How a cache is doing.

    Attributes:
        id: its id.
        fault: why it cannot be used now, empty where it can.
        left_alone: whether it is left alone for that.
        counts: its rows, by state.
    """

    id: str
    fault: str
    left_alone: bool
    counts: Mapping[PushState, int]


class Pushing:
    """Runs the loop of each cache beside the others: one that hangs delays no other."""

    def __init__(self, caches: Sequence[OpenCache], parts: PushParts) -> None:
        self._parts = parts
        self._loops = {each.rule.id: CachePushes(each.rule, each.cache, parts, Wakeup()) for each in caches}

    @property
    def loops(self) -> Sequence[CachePushes]:
        """One for each cache."""
        return tuple(self._loops.values())

    def wake(self) -> None:
        """Look at the store: there is something to push."""
        for each in self._loops.values():
            each.wake()

    def hurry(self, cache: str | None = None) -> None:
        """Try a cache, or all, though they may be left alone."""
        for each in self._loops.values():
            if cache in (None, each.rule.id):
                each.hurry()

    async def drain(self, seconds: float) -> None:
        """Begin nothing any more, and let what is being pushed end, for so long at most."""
        for each in self._loops.values():
            each.stop()
        with anyio.move_on_after(seconds):
            for each in self._loops.values():
                await each.ended()

    async def resume(self) -> None:
        """Take up what was being pushed when the server ended: before any loop runs.

        Raises:
            InfrastructureFault: the store failed.
        """
        again = await self._parts.store.resume_pushes(now=self._parts.clock.now())
        if again:
            self._parts.log.info("pushes_resumed", pushes=again)

    async def report(self) -> Sequence[CacheReport]:
        """Say how all caches are doing, those that rows name and that are configured no more included.

        Raises:
            InfrastructureFault: the store failed.
        """
        counts = await self._parts.store.count_pushes()
        gone = CacheReport("", "it is not configured", left_alone=True, counts={})
        return [
            CacheReport(loop.rule.id, loop.fault, loop.is_open, counts.get(loop.rule.id, {}))
            if (loop := self._loops.get(cache)) is not None
            else attrs.evolve(gone, id=cache, counts=counts[cache])
            for cache in sorted({*self._loops, *counts})
        ]

    async def clean(self) -> None:
        """Forget what is over for long, and let go of what nobody waits for.

        Raises:
            InfrastructureFault: the store or the roots failed.
        """
        parts, now = self._parts, self._parts.clock.now()
        await parts.store.expire_pushes(before=now - EXPIRY_SECONDS, reason=_EXPIRED, now=now)
        await parts.store.prune_pushes(before=now - KEPT_SECONDS)
        # Roots are made before the rows are.
        unfinished = await parts.store.unfinished_pushes()
        await parts.paths.release(but=unfinished, before=now - _NEW_SECONDS)

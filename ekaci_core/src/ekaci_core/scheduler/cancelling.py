"""Giving up what somebody asked to be given up, in this process or another one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import attrs

from ekaci_core.api import Clock
from ekaci_core.model.build import Build, BuildState, Interrupted
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.clock_jumps import Moment
from ekaci_core.scheduler.effects import Effects
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.scheduler.node import RUNNABLE
from ekaci_core.scheduler.residents import Residents
from ekaci_core.scheduler.turns import Turns
from ekaci_core.store.contract import Store

ON_REQUEST: Final = "cancelled on request"
"""The cause that such a build is recorded with."""

_FORGOTTEN_AFTER_SECONDS: Final = 60.0

_UNSTARTED: Final = RUNNABLE | {BuildState.QUEUED}


@attrs.define(eq=False)
class Cancelling:
    """Looks for cancellations. It obeys each that comes after the run began, once: a later wish queues anew."""

    _store: Store
    _graph: BuildGraph
    _residents: Residents
    _ledger: Ledger
    _turns: Turns
    _clock: Clock
    _poll_seconds: float
    _began: Moment = attrs.field(default=Moment(0.0, 0.0), init=False)
    _seen: int = attrs.field(default=0, init=False)

    async def begin(self) -> None:
        """Note what is there already, which concerns others, and forget what nobody took away.

        Raises:
            InfrastructureFault: the store failed.
        """
        self._began = Moment.of(self._clock)
        there = await self._store.cancellations()
        self._seen = max((each.id for each in there), default=0)
        forgotten = self._began.wall - _FORGOTTEN_AFTER_SECONDS
        if any(each.at < forgotten for each in there):
            await self._store.end_cancellations(before=forgotten)

    async def watch(self, release: Callable[[Effects], Awaitable[None]]) -> None:
        """Obey, for ever; ``release`` is told what follows from recorded steps."""
        while True:
            await anyio.sleep(self._poll_seconds)
            found = await self._store.cancellations(after=self._seen)
            for each in found:
                self._seen = each.id
                effects = Effects()
                node = (await self._residents.find([each.drv])).get(each.drv)
                # What another worker has in hand, that one gives up: we learn it from the store.
                if node is None or node.foreign or self._turns.cancel(node.key, ON_REQUEST):
                    continue
                if node.build.state in _UNSTARTED:
                    self._graph.apply(node, Interrupted(BuildState.CANCELLED), ON_REQUEST, effects)
                self._residents.make_room()
                await self._ledger.record(effects.steps)
                await release(effects)

    async def concerns(self, stored: Build) -> bool:
        """Whether another worker gave this up because it was asked to since the run began, rather than by its end."""
        if stored.state is not BuildState.CANCELLED:
            return False
        change = (await self._store.last_changes([stored.drv])).get(stored.drv)
        return change is not None and change.cause == ON_REQUEST and self._began.precedes(change.at, self._clock)

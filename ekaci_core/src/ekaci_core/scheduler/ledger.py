"""Records transitions: those that come while a transaction runs go into the next one together."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from ekaci_core.api import Clock
from ekaci_core.scheduler.build_graph import Step
from ekaci_core.store.contract import BuildChange, Store


class Ledger:
    """The run's door to the table of builds. Rows keep the order in which they were handed in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pending: list[BuildChange] = []
        self._writing = anyio.Lock()

    async def record(self, steps: Sequence[Step]) -> None:
        """Return once these steps, and all handed in before them, are stored.

        A cancelled caller waits for the write all the same: what is not recorded must not have happened.

        Raises:
            InfrastructureFault: the store cannot write.
        """
        now = self._clock.now()
        self._pending += [BuildChange(step.build, now, step.cause) for step in steps]
        with anyio.CancelScope(shield=True):
            async with self._writing:
                if self._pending:
                    changes, self._pending = self._pending, []
                    await self._store.record_builds(changes)

"""Records what happens to builds: what comes while a transaction runs goes into the next one together."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import attrs

from ekaci_core.api import Clock, EkaciError
from ekaci_core.scheduler.build_graph import Step
from ekaci_core.store.contract import AttemptEnd, BuildChange, BuildWrites, Store


@attrs.define(eq=False)
class _Batch:
    writes: BuildWrites = attrs.field(factory=BuildWrites)
    written: bool = False
    fault: EkaciError | None = None


class Ledger:
    """The run's door to the table of builds. Rows keep the order in which they were handed in."""

    def __init__(self, store: Store, clock: Clock, worker: str) -> None:
        """Write into ``store`` for ``worker``, whose claims it can give up."""
        self._store = store
        self._clock = clock
        self._worker = worker
        self._next = _Batch()
        self._writing = anyio.Lock()

    async def record(self, steps: Sequence[Step], *, end: AttemptEnd | None = None, release: int | None = None) -> None:
        """Return once these steps, and all handed in before them, are stored.

        A cancelled caller waits for the write all the same: what is not recorded must not have happened.

        Args:
            steps: transitions, in order.
            end: the end of the attempt that brought them about.
            release: the derivation whose claim is given up.

        Raises:
            InfrastructureFault: the store cannot write.
        """
        now = self._clock.now()
        batch, writes = self._next, self._next.writes
        writes.changes += [BuildChange(step.build, now, step.cause, step.key) for step in steps]
        if end is not None:
            writes.ends.append(end)
        if release is not None:
            writes.releases.append(release)
        with anyio.CancelScope(shield=True):
            async with self._writing:
                if not batch.written:  # whoever comes first writes for all
                    await self._write(batch)
        if batch.fault is not None:
            raise batch.fault

    async def _write(self, batch: _Batch) -> None:
        self._next = _Batch()
        try:
            if batch.writes:
                await self._store.write_builds(batch.writes, self._worker)
        except EkaciError as fault:
            batch.fault = fault
        finally:
            batch.written = True

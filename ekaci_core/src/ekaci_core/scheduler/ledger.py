"""Records what happens to builds: what comes while a transaction runs goes into the next one together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import anyio
import attrs

from ekaci_core.api import Clock, EkaciError
from ekaci_core.scheduler.claims import Claims
from ekaci_core.scheduler.effects import Step
from ekaci_core.store.contract import AttemptEnd, BuildChange, BuildStart, BuildWrites, StartAnswer, Store

# Very many transitions at once are written in parts, each in much less than the 20 ms that are allowed: what came first
# is stored first, and nothing begins before all is.
_MOST: Final = 200


@attrs.define(eq=False)
class _Batch:
    writes: BuildWrites = attrs.field(factory=BuildWrites)
    steps: list[Step] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    answers: Sequence[StartAnswer] = ()
    written: bool = False
    fault: EkaciError | None = None


class Ledger:
    """The run's door to the table of builds. Rows keep the order in which they were handed in."""

    def __init__(self, store: Store, clock: Clock, claims: Claims) -> None:
        """Write into ``store`` for the worker whose ``claims`` these are."""
        self._store = store
        self._clock = clock
        self._claims = claims
        self._next = _Batch()
        self._writing = anyio.Lock()

    async def record(
        self,
        steps: Sequence[Step],
        *,
        ends: Sequence[AttemptEnd] = (),
        releases: Sequence[int] = (),
        starts: Sequence[BuildStart] = (),
    ) -> Sequence[StartAnswer]:
        """Return once all this, and all that was handed in before it, is stored.

        A cancelled caller waits for the write all the same: what is not recorded must not have happened.

        Args:
            steps: transitions, in order.
            ends: ends of attempts.
            releases: derivations whose claims are given up.
            starts: builds to begin after all that; their answers are returned.

        Raises:
            InfrastructureFault: the store cannot write.
        """
        now = self._clock.now()
        batch, writes = self._next, self._next.writes
        batch.steps += steps
        batch.times += [now] * len(steps)
        writes.ends += ends
        writes.releases += releases
        first = len(writes.starts)
        writes.starts += starts
        with anyio.CancelScope(shield=True):
            async with self._writing:
                if not batch.written:  # whoever comes first writes for all
                    await self._write(batch)
        if batch.fault is not None:
            raise batch.fault
        return batch.answers[first : first + len(starts)]

    async def _write(self, batch: _Batch) -> None:
        self._next = _Batch()
        claims = self._claims
        try:
            if batch.steps or batch.writes:
                for part in self._parts(batch):
                    batch.answers = await self._store.write_builds(
                        part, claims.worker, now=self._clock.now(), until=claims.until
                    )
        except EkaciError as fault:
            batch.fault = fault
        finally:
            batch.written = True

    def _parts(self, batch: _Batch) -> Iterator[BuildWrites]:
        """Cut what is to be written into transactions; ends of attempts come in the first, what begins in the last."""
        writes = batch.writes
        ends, part = writes.ends, _changes(batch.steps[:_MOST], batch.times)
        for first in range(_MOST, len(batch.steps), _MOST):
            yield BuildWrites(ends, part)
            ends, part = [], _changes(batch.steps[first : first + _MOST], itertools.repeat(self._clock.now()))
        yield BuildWrites(ends, part, writes.releases, writes.starts)


def _changes(steps: Iterable[Step], times: Iterable[float]) -> list[BuildChange]:
    # made part by part: to make ten thousand before the first is written would take as long as writing hundreds
    return [BuildChange(step.build, at, step.cause, step.key) for step, at in zip(steps, times, strict=False)]

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import pytest

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.claims import Claims
from ekaci_core.scheduler.effects import Step
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.store import Store
from ekaci_core.store.contract import BuildBegun, BuildStart, BuildWrites, DerivationId, StartAnswer
from ekaci_core.testing.builds import ScriptedNix
from ekaci_core.testing.scripted import SteppingClock

pytestmark = pytest.mark.anyio

COUNT = 1234


class Watched:
    """A store that keeps what it is handed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.written: list[BuildWrites] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write_builds(
        self, writes: BuildWrites, worker: str, *, now: float, until: float
    ) -> Sequence[StartAnswer]:
        self.written.append(writes)
        return await self._store.write_builds(writes, worker, now=now, until=until)


async def test_very_many_transitions_are_written_in_parts_and_what_begins_comes_last(
    store: Store, nix: ScriptedNix
) -> None:
    drvs = [nix.derivation(f"n{number}") for number in range(COUNT)]
    await nix.evaluated(store)
    watched, clock = Watched(store), SteppingClock()
    claims = Claims(cast("Store", watched), clock, lease_seconds=60)
    ledger = Ledger(cast("Store", watched), clock, claims)
    steps = [Step(ready(drv), "its inputs are there") for drv in drvs]
    key = (await store.derivation_ids([drvs[-1]]))[drvs[-1]]
    start = BuildStart(DerivationId(key), ready(drvs[-1]), "builder", None)
    answers = await ledger.record(steps, starts=[start])
    assert [type(answer) for answer in answers] == [BuildBegun]
    assert [len(writes.changes) for writes in watched.written] == [*[200] * 6, COUNT - 1200]
    assert [change.build.drv for writes in watched.written for change in writes.changes] == drvs
    assert [len(writes.starts) for writes in watched.written] == [*[0] * 6, 1]
    times = [{change.at for change in writes.changes} for writes in watched.written]
    assert all(max(before) < min(after) for before, after in itertools.pairwise(times))
    states = await store.builds(drvs)
    assert [states[drv].state for drv in drvs] == [*[BuildState.BUILDABLE] * (COUNT - 1), BuildState.BUILDING]


def ready(drv: DrvPath) -> Build:
    return Build(drv, BuildState.BUILDABLE)

"""A fault of the machine keeps no result from being offered in the end."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from ekaci_core.config.merge import ReviewJob
from ekaci_core.delivery import Auditing, CacheRule, Offering
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, JobComparison, Side
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import AttrPath, StorePath
from ekaci_core.model.package import PackageMeta
from ekaci_core.model.repository import Job
from ekaci_core.model.review import ReviewState
from ekaci_core.server.delivering import Results
from ekaci_core.store import open_store
from ekaci_core.store.contract import BuildChange
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.facts import LINUX, drv, record
from ekaci_core.testing.scripted_cache import ScriptedPaths
from ekaci_core.testing.store_forges import wish

pytestmark = pytest.mark.anyio


@attrs.define
class FailingPaths(ScriptedPaths):
    """A store that cannot keep anything at first."""

    faults: int = 0

    async def keep(self, paths: Sequence[StorePath]) -> None:
        if self.faults:
            self.faults -= 1
            raise InfrastructureFault("the disk is full")
        await super().keep(paths)


async def test_what_could_not_be_offered_is_offered_again() -> None:
    job = Job("packages", "x.nix", caches=("one",))
    head = Side(drv("a"), "a", "a", None, PackageMeta.from_json({}))
    change = AttributeChange("packages", AttrPath("a"), LINUX, None, head)
    compared = [JobComparison("packages", (change,), 0, (), (), (), (), ())]
    clock, log, paths = RealClock(), SilentLogger(), FailingPaths(faults=3)
    made = record("a")
    async with open_store(None) as store:
        await store.add_derivations([made])
        await store.record_builds([BuildChange(Build(made.path, BuildState.SUCCESS), 1.0, "test")])
        assert made.outputs[0].path is not None
        paths.add(made.outputs[0].path)
        number = await store.ask_review(wish("a", None), ReviewState.QUEUED, now=1.0)
        review = await store.review(number)
        assert review is not None
        rules = {"one": CacheRule(id="one")}
        offering = Offering(store, paths, rules, Auditing(store, clock, log), clock, log, lambda: None)
        pushes = await offering.of(review, [ReviewJob("packages", job, job, caches=job.caches)])
        await Results(pushes, compared, log, first_seconds=0.001).all()
        assert [each.path for each in await store.pushes()] == [made.outputs[0].path]
    assert paths.faults == 0

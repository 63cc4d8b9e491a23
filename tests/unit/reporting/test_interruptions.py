from __future__ import annotations

import pytest
from tests.unit.changes.conftest import Package, evaluated

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, Outcome, Side, Standing
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.model.package import PackageMeta
from ekaci_core.reporting import explain_interruptions
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import BuildChange

pytestmark = pytest.mark.anyio

LETTERS = "0123456789abcdfghijklmn"


def package(at: int) -> Package:
    return Package(f"p{at:02}-1", LETTERS[at])


def outcome(drv: DrvPath, state: BuildState | None, standing: Standing = Standing.UNKNOWN) -> Outcome:
    side = Side(drv, drv.name, drv.name, None, PackageMeta())
    change = AttributeChange("job", AttrPath(drv.name), System("x86_64-linux"), None, side)
    return Outcome(change, None, state, standing)


async def ended(store: Store, build: Build, reason: str) -> None:
    attempt = await store.begin_attempt(build.drv, builder="local", log_path=None, now=0)
    await store.end_attempt(attempt, now=1, exit_status=None, outcome=build.state, reason=reason)
    await store.record_builds([BuildChange(build, 1, reason)])


async def test_what_the_machine_stopped_is_explained_once() -> None:
    packages = [package(at) for at in range(4)]
    lib, app, tool, gone = (each.drv for each in packages)
    async with open_store(None) as store:
        await evaluated(store, {f"a{at}": each for at, each in enumerate(packages)})
        await ended(store, Build(lib, BuildState.OUT_OF_MEMORY), "out of memory: \x1b[31msignal 9\x1b[0m")
        blocked = Build(app, BuildState.BLOCKED, blockers=frozenset({lib}))
        await store.record_builds([BuildChange(blocked, 1, "")])
        await ended(store, Build(tool, BuildState.PROCESS_DEATH), "no network (given up after 4 attempts)")
        await ended(store, Build(gone, BuildState.CANCELLED), "the run was stopped")
        outcomes = [outcome(drv, None) for drv in (lib, app, tool, gone)]
        assert await explain_interruptions(store, outcomes) == (
            "p00-1: OutOfMemory, out of memory: signal 9",
            "p02-1: ProcessDeath, no network (given up after 4 attempts)",
        )
        proven = [outcome(lib, BuildState.OUT_OF_MEMORY, Standing.STILL_FAILING)]
        assert await explain_interruptions(store, proven) == ()


async def test_many_are_counted() -> None:
    packages = [package(at) for at in range(13)]
    async with open_store(None) as store:
        await evaluated(store, {f"a{at}": each for at, each in enumerate(packages)})
        for each in packages:
            await ended(store, Build(each.drv, BuildState.PROCESS_DEATH), "no disk")
        told = await explain_interruptions(store, [outcome(each.drv, None) for each in packages])
    assert len(told) == 11
    assert told[0] == "p00-1: ProcessDeath, no disk"
    assert told[-1] == "3 more derivations could not be built for such reasons"

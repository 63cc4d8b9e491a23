"""What becomes of builds, and of who waits for them, when the store fails in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from ekaci_core.api import AttrPath, InfrastructureFault, System
from ekaci_core.model.change import AttributeChange, JobComparison, Side
from ekaci_core.model.package import PackageMeta
from ekaci_core.scheduler import SchedulerSettings
from ekaci_core.scheduler.wishes import Share
from ekaci_core.server.enduring import enduring
from ekaci_core.server.shared_builds import SharedBuilds
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler

pytestmark = pytest.mark.anyio


class Disk:
    """A store whose disk can be full."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.full = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def on_disk(*arguments: Any, **more: Any) -> Any:
            if self.full:
                raise InfrastructureFault("no space is left for the database")
            return await method(*arguments, **more)

        return on_disk


def new(name: str) -> JobComparison:
    side = Side(drv_path(name), name, name, None, PackageMeta())
    change = AttributeChange("job", AttrPath(name), System("x86_64-linux"), None, side)
    return JobComparison("job", (change,), 0, (), (), (), (), ())


async def test_who_waits_is_told_and_builds_go_on_once_there_is_room(tmp_path: Path) -> None:
    nix = ScriptedNix()
    nix.derivation("app")
    builder = ScriptedBuilder(nix, {"app": [for_ever]})
    async with open_store(None) as store, anyio.create_task_group() as tasks:
        await nix.evaluated(store)
        disk = Disk(store)
        settings = SchedulerSettings(poll_seconds=0.01, lease_seconds=0.3, farewell_seconds=0.5)
        scheduler = scripted_scheduler(cast("Store", disk), nix, [builder], tmp_path, settings=settings)
        builds = SharedBuilds(scheduler, store, RealClock(), SilentLogger())
        tasks.start_soon(lambda: enduring("builds", builds.run, SilentLogger(), first_seconds=0.01))

        async def fill() -> None:
            await builder.begun("app")
            disk.full = True

        with anyio.fail_after(20):
            tasks.start_soon(fill)
            with pytest.raises(InfrastructureFault):
                await builds.build(Share("a review"), [new("app")])
            disk.full = False
            result = await builds.build(Share("a review"), [new("app")])
        assert not result.infrastructure
        tasks.cancel_scope.cancel()

"""The order in which what is unfinished would start is that of the scheduler itself."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import System
from ekaci_core.scheduler import Wanted
from ekaci_core.scheduler.outlook import Outlook
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.waiting import Wait
from ekaci_core.store import Store
from ekaci_core.store.contract import AttemptEnd, BuildChange, BuildWrites
from ekaci_core.testing.builds import LINUX, ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

pytestmark = pytest.mark.anyio

ARM = System("aarch64-linux")


async def left(store: Store, states: dict[str, BuildState], blockers: dict[str, str] | None = None) -> None:
    """Leave builds in these states."""
    changes = [
        Build(drv_path(name), state, 0, frozenset({drv_path(each)} if (each := (blockers or {}).get(name)) else ()))
        for name, state in states.items()
    ]
    await store.record_builds([BuildChange(build, 1.0, "so") for build in changes])


async def waits(store: Store, *builders: ScriptedBuilder) -> dict[str, Wait]:
    outlook = await Outlook.of(store, Placement(builders))
    return {each.build.drv.name: wait for each, wait in outlook.waits()}


async def learnt(store: Store, seconds: dict[str, float]) -> None:
    for name, each in seconds.items():
        attempt = await store.begin_attempt(drv_path(name), builder="x", log_path=None, now=0.0)
        end = AttemptEnd(attempt, 1.0, 0, BuildState.SUCCESS, "", [(f"{LINUX} {name}", each)])
        await store.write_builds(BuildWrites(ends=[end]), "x", now=1.0, until=2.0)


async def test_positions_are_those_in_which_a_run_starts(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    """A run with one slot over random layers of derivations, and the outlook before it."""
    chance = random.Random(7)  # noqa: S311 - no secret
    names: list[str] = []
    for layer in range(4):
        below = list(names)
        for number in range(6):
            name = f"p{layer}x{number}"
            nix.derivation(name, chance.sample(below, min(len(below), chance.randrange(3))))
            names.append(name)
    await nix.evaluated(store)
    await learnt(store, {name: chance.uniform(1, 90) for name in names})
    leaves = {name for name in names if not nix.records[name].inputs}
    await left(store, {name: BuildState.BUILDABLE if name in leaves else BuildState.QUEUED for name in names})
    builder = ScriptedBuilder(nix, slots=len(leaves))
    told = await waits(store, builder)
    first = [name for name, wait in told.items() if wait.position is not None]
    assert set(first) == leaves
    assert [told[name].position for name in first] == list(range(1, len(leaves) + 1))
    assert {told[name].among for name in first} == {len(leaves)}

    await scripted_scheduler(store, nix, [builder], tmp_path).build([Wanted(drv_path(name)) for name in names])
    assert builder.order[: len(leaves)] == first
    assert list(told)[: len(leaves)] == first


async def test_what_builds_goes_first_and_what_cannot_start_last(store: Store, nix: ScriptedNix) -> None:
    nix.derivation("running")
    nix.derivation("ready")
    nix.derivation("arm", system=ARM)
    nix.derivation("special", features=["kvm"])
    nix.derivation("after", ["ready", "running"])
    nix.derivation("later", ["after"])
    nix.derivation("gone")
    nix.derivation("blocked", ["gone"])
    await nix.evaluated(store)
    await left(
        store,
        {
            "running": BuildState.BUILDING,
            "ready": BuildState.BUILDABLE,
            "arm": BuildState.BUILDABLE,
            "special": BuildState.BUILDABLE,
            "after": BuildState.QUEUED,
            "later": BuildState.QUEUED,
            "gone": BuildState.CANCELLED,
            "blocked": BuildState.BLOCKED,
        },
        {"blocked": "gone"},
    )
    told = await waits(store, ScriptedBuilder(nix), ScriptedBuilder(nix, name="arm", systems=[ARM]))
    order = list(told)
    assert order[0] == "running"
    assert set(order[1:3]) == {"ready", "arm"}
    assert order[3:5] == ["after", "later"]
    assert set(order[5:]) == {"special", "blocked"}
    assert (told["ready"].position, told["ready"].among, told["ready"].kind) == (1, 1, "x86_64-linux")
    assert (told["arm"].position, told["arm"].among, told["arm"].kind) == (1, 1, "aarch64-linux")
    assert (told["after"].missing, told["after"].inputs) == (2, 2)
    assert told["special"].position is None
    assert told["special"].obstacle == "no builder for x86_64-linux has the feature kvm"
    assert told["blocked"].blockers == {drv_path("gone")}


async def test_without_anything_unfinished_nothing_is_told(store: Store, nix: ScriptedNix) -> None:
    nix.derivation("lib")
    await nix.evaluated(store)
    await left(store, {"lib": BuildState.SUCCESS})
    assert await waits(store, ScriptedBuilder(nix)) == {}

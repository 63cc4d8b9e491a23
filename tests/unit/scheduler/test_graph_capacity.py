"""A run comes to the same end however little of its graph is in memory, and keeps within its bounds."""

from __future__ import annotations

import gc
import random
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import anyio
import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ekaci_core.api import BuildFailed, BuildInterrupted, BuildOutcome, BuildRequest, TransientKind
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler import SchedulerSettings, Wanted
from ekaci_core.scheduler.backoff import Backoff
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.scheduler.graph_metrics import GraphMetrics
from ekaci_core.scheduler.run import BuildRun
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builds import Act, ScriptedBuilder, ScriptedNix, drv_path, for_ever, scripted_scheduler
from ekaci_core.testing.package_sets import PackageSet

S = BuildState
FAILS = BuildFailed("exit code 1", 1)
FINAL = BuildFailed("wrong hash", 102, final=True)
STOPPED = BuildInterrupted(S.TIMEOUT, "too long")
AWAY = BuildInterrupted(S.PROCESS_DEATH, "the network was away", transient=TransientKind.NETWORK)
SCRIPTS: list[tuple[Act, ...]] = [
    *[()] * 6,
    (FAILS,),
    (AWAY,),
    (FAILS, FAILS),
    (FINAL,),
    (STOPPED,),
    (FAILS, AWAY, FAILS),
]


def limited(capacity: int | None, *, poll_seconds: float = 0.01) -> SchedulerSettings:
    graph = GraphLimits(capacity)
    return SchedulerSettings(poll_seconds=poll_seconds, graph=graph, backoff=Backoff(first_seconds=0.001))


@attrs.frozen
class Case:
    """Inputs of each derivation, what its attempts do, and what is wanted, in two parts, the second one later."""

    inputs: tuple[tuple[int, ...], ...]
    scripts: tuple[tuple[Act, ...], ...]
    wanted: tuple[tuple[int, ...], tuple[int, ...]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(20, 90))
    numbers = st.integers(0, size - 1)
    inputs = [tuple(sorted(draw(st.sets(st.integers(0, n - 1), max_size=3)))) if n else () for n in range(size)]
    scripts = [draw(st.sampled_from(SCRIPTS)) for _ in range(size)]
    first, second = (tuple(draw(st.lists(numbers, min_size=1, max_size=9))) for _ in range(2))
    return Case(tuple(inputs), tuple(scripts), (first, second))


class WatchfulBuilder(ScriptedBuilder):
    """Looks at the bound whenever it is asked to build."""

    run: BuildRun | None = None

    async def build(self, request: BuildRequest) -> BuildOutcome:
        if self.run is not None and not within_bounds(self.run.metrics):
            self.violations.append(f"{request.derivation.name}: too much in memory")
        return await super().build(request)


def within_bounds(figures: GraphMetrics) -> bool:
    return not figures.capacity or figures.nodes <= max(figures.capacity, figures.pinned)


async def outcome_of(case: Case, capacity: int | None) -> tuple[dict[DrvPath, Build], dict[str, int], GraphMetrics]:
    nix = ScriptedNix()
    for number, inputs in enumerate(case.inputs):
        nix.derivation(f"n{number}", [f"n{each}" for each in inputs])
    script = {f"n{number}": acts for number, acts in enumerate(case.scripts)}
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(None) as store:
            await nix.evaluated(store)
            builder = WatchfulBuilder(nix, script, slots=3)
            scheduler = scripted_scheduler(store, nix, [builder], Path(folder), settings=limited(capacity))
            async with scheduler.running() as builder.run:
                for some in case.wanted:
                    await builder.run.add([Wanted(drv_path(f"n{number}")) for number in some])
                await builder.run.wait()
                figures = builder.run.metrics
                assert within_bounds(figures)
            assert builder.violations == []
            builds = await store.builds([record.path for record in nix.records.values()])
            return dict(builds), dict(builder.attempts), figures


@settings(max_examples=25, deadline=None)
@given(cases(), st.sampled_from([1, 5, 50]))
def test_the_capacity_changes_no_outcome(case: Case, capacity: int) -> None:
    builds, attempts, _ = anyio.run(outcome_of, case, None)
    assert anyio.run(outcome_of, case, capacity)[:2] == (builds, attempts)


def test_what_left_memory_comes_back() -> None:
    inputs = tuple(tuple(range(max(0, number - 2), number)) for number in range(80))
    case = Case(inputs, ((),) * 80, ((79,), (40,)))
    builds, _, figures = anyio.run(outcome_of, case, 10)
    assert {build.state for build in builds.values()} == {S.SUCCESS}
    assert len(builds) == figures.total == 80
    assert figures.reloads == figures.misses > 60
    assert figures.nodes == 10
    assert figures.evictions.total() == 70 + figures.reloads


@pytest.mark.anyio
async def test_what_is_not_in_memory_can_be_cancelled_and_wanted_again(tmp_path: Path) -> None:
    nix = ScriptedNix()
    names = [f"n{number}" for number in range(30)]
    for name, below in zip(names, ["", *names], strict=False):
        nix.derivation(name, [below] if below else [])
    async with open_store(None) as store:
        await nix.evaluated(store)
        builder = ScriptedBuilder(nix, {"n0": (for_ever,)}, slots=1)
        scheduler = scripted_scheduler(store, nix, [builder], tmp_path, settings=limited(3))
        async with scheduler.running() as run:
            await run.add([Wanted(drv_path("n29"))])
            await builder.begun("n0")
            await store.ask_cancellation(drv_path("n15"), now=2e9)
            await reached(store, "n29", S.BLOCKED)
            builds = await store.builds([drv_path(name) for name in names])
            assert builds[drv_path("n15")].state is S.CANCELLED
            assert {builds[drv_path(name)].blockers for name in names[16:]} == {frozenset({drv_path("n15")})}
            await store.ask_cancellation(drv_path("n0"), now=2e9)
            await reached(store, "n1", S.BLOCKED)
            await run.add([Wanted(drv_path("n29"))])
            await run.wait()
            assert run.metrics.nodes <= 3
        builds = await store.builds([drv_path(name) for name in names])
        assert {build.state for build in builds.values()} == {S.SUCCESS}


@pytest.mark.anyio
@pytest.mark.parametrize("capacity", [1, 4, 20])
async def test_what_is_cancelled_while_it_is_planned_ends_as_it_is_recorded(capacity: int, tmp_path: Path) -> None:
    """Once an input was cancelled between the look at it and the arrival of what needs it."""
    dice, names, nix = random.Random(capacity), [f"n{number}" for number in range(120)], ScriptedNix()  # noqa: S311
    for number, name in enumerate(names):
        nix.derivation(name, dice.sample(names[:number], min(number, dice.randrange(4))))
    wanted = [Wanted(drv_path(name)) for name in names]
    async with open_store(None) as store:
        await nix.evaluated(store)
        builder = ScriptedBuilder(nix, slots=3, turns=3)
        settings = limited(capacity, poll_seconds=0.001)
        async with scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).running() as run:

            async def cancel() -> None:
                for name in dice.sample(names, 20):
                    await store.ask_cancellation(drv_path(name), now=2e9)
                    await anyio.sleep(0.001)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel)
                for first in range(0, len(wanted), 10):
                    await run.add(wanted[first : first + 10])
            await run.wait()
            while {build.state for build in (await store.builds([each.drv for each in wanted])).values()} != {
                S.SUCCESS
            }:
                await run.add(wanted)  # cancellations that nobody had seen by then are obeyed meanwhile
                await run.wait()
            assert within_bounds(run.metrics)
        assert builder.violations == []


async def reached(store: Store, name: str, state: BuildState) -> None:
    drv = drv_path(name)
    with anyio.fail_after(20):
        while (await store.builds([drv]))[drv].state is not state:  # noqa: ASYNC110 - told by the database alone
            await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_the_first_failure_ends_a_run_most_of_which_is_not_in_memory(tmp_path: Path) -> None:
    nix = ScriptedNix()
    nix.derivation("broken")
    for number in range(600):
        nix.derivation(f"n{number}", ["broken"] if number % 2 else [f"n{number - 2}"] if number else [])
    async with open_store(None) as store:
        await nix.evaluated(store)
        builder = ScriptedBuilder(nix, {"broken": (FINAL,), "n0": (for_ever,)}, slots=2)
        settings = attrs.evolve(limited(20), keep_going=False)
        told: list[Build] = []

        async def on_failure(failed: Sequence[Build]) -> None:
            told.extend(failed)

        wanted = [Wanted(record.path) for record in nix.records.values()]
        await scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).build(wanted, on_failure)
        builds = await store.builds([record.path for record in nix.records.values()])
        states = {drv.name: build.state for drv, build in builds.items()}
    assert states.pop("broken") is S.FAILURE
    assert {name for name, state in states.items() if state is S.TRANSITIVE_FAILURE} == {
        f"n{number}" for number in range(1, 600, 2)
    }
    assert {build.drv.name for build in told} == {"broken", *(f"n{number}" for number in range(1, 600, 2))}
    assert all(states[f"n{number}"] in (S.CANCELLED, S.BLOCKED) for number in range(0, 600, 2))


async def graph_memory(packages: PackageSet, capacity: int | None, folder: Path) -> tuple[int, GraphMetrics]:
    """Plan a set and build a part of it; return what its graph takes, names and states included."""
    async with open_store(folder / f"{capacity}.db") as store:
        await packages.evaluated(store)
        wanted = [Wanted(drv) for drv in packages.tops]
        last = list(packages.records.values())[500]
        builder = ScriptedBuilder(ScriptedNix(), {last.name: (for_ever,)}, slots=1, turns=0)
        scheduler = scripted_scheduler(store, ScriptedNix(), [builder], folder, settings=limited(capacity))
        scheduler = attrs.evolve(scheduler, survey=packages.survey)
        gc.collect()
        tracemalloc.start(1)
        try:
            async with scheduler.running() as run:
                await run.add(wanted)
                await builder.begun(last.name)
                gc.collect()
                snapshot = tracemalloc.take_snapshot().filter_traces(
                    [
                        tracemalloc.Filter(inclusive=True, filename_pattern=f"*/ekaci_core/{module}")
                        for module in ("scheduler/*", "model/build.py", "store/compact.py", "store/derivations.py")
                    ]
                )
                return sum(trace.size for trace in snapshot.traces), run.metrics
        finally:
            tracemalloc.stop()
    raise AssertionError("unreachable: a run swallows no exception")


@pytest.mark.anyio
async def test_a_graph_within_a_capacity_takes_a_tenth_at_most(tmp_path: Path) -> None:
    """The proportion of 1,000 to 300,000, with names as long as those of a real package set."""
    packages = PackageSet.random(4500, 5, near=12, name_length=50)
    whole, _ = await graph_memory(packages, None, tmp_path)
    part, figures = await graph_memory(packages, 15, tmp_path)
    assert figures.nodes <= max(15, figures.pinned)
    assert figures.reloads > 400
    assert part <= whole / 10

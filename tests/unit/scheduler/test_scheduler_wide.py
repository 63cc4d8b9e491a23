"""Derivations of very many inputs: what happens to those costs in proportion, whatever it is."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from ekaci_core.api import BuildFailed
from ekaci_core.model.build import (
    MOST_BLOCKERS,
    Build,
    BuildEvent,
    BuildState,
    Failed,
    Interrupted,
    Requeued,
    Started,
    Succeeded,
)
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler import SchedulerSettings, Wanted
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.effects import Effects, at_once
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Lane
from ekaci_core.scheduler.walks import lengthening, wanting
from ekaci_core.scheduler.wishes import Share
from ekaci_core.store import Store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

INPUTS = 60_000
ALL_AT_ONCE = 5000

Beginning = Callable[[int], Build]


def queued(number: int) -> Build:
    return Build(DrvPath(f"/nix/store/{number:032d}-n{number}.drv"))


def wide(inputs: int, beginning: Beginning = queued) -> tuple[BuildGraph, list[Node], Node, Effects]:
    """A derivation that needs so many others, which need nothing, and one above it."""
    low = [Node(key=number, build=beginning(number), lane=Lane((0,))) for number in range(inputs)]
    top = Node(key=inputs, build=queued(inputs), lane=Lane((0,)), inputs=array("I", range(inputs)))
    above = Node(key=inputs + 1, build=queued(inputs + 1), lane=Lane((0,)), inputs=(inputs,))
    graph = BuildGraph()
    effects = graph.add([*low, top, above], {}, {})
    at_once(lengthening(graph, range(inputs + 2), effects))
    at_once(wanting(graph, above.key, 0, effects=effects))
    return graph, low, top, effects


def make(graph: BuildGraph, node: Node, event: BuildEvent, effects: Effects | None = None) -> None:
    graph.apply(node, Started(), "", effects)
    graph.apply(node, event, "", effects)


@pytest.mark.timeout(60)
def test_very_many_inputs_succeed() -> None:
    graph, low, top, _ = wide(INPUTS)
    for node in low:
        assert top.build.state is BuildState.QUEUED
        make(graph, node, Succeeded())
    assert top.build.state is BuildState.BUILDABLE


@pytest.mark.timeout(60)  # what costs the square of the inputs takes minutes, and gigabytes
@pytest.mark.parametrize("end", [Failed(final=True), Interrupted(BuildState.TIMEOUT)])
def test_very_many_inputs_fail_and_recover(end: BuildEvent) -> None:
    graph, low, top, _ = wide(ALL_AT_ONCE)
    effects = Effects()
    for node in low:
        make(graph, node, end, effects)
    assert sum(len(step.build.blockers) for step in effects.steps) <= 2 * MOST_BLOCKERS**2
    assert len(top.build.blockers) == MOST_BLOCKERS
    random.Random(1).shuffle(low)  # noqa: S311 - no secret
    for node in low:
        assert top.build.blockers
        graph.apply(node, Requeued(forget_failures=True), "")
    assert (top.build.state, top.build.blockers) == (BuildState.QUEUED, frozenset())
    for node in low:
        make(graph, node, Succeeded())
    assert top.build.state is BuildState.BUILDABLE


@pytest.mark.timeout(60)
def test_very_many_failures_that_were_known_are_inherited() -> None:
    def failed(number: int) -> Build:
        return Build(queued(number).drv, BuildState.FAILURE, failures=2)

    graph, low, top, _ = wide(INPUTS, failed)
    above = graph.nodes[top.key + 1]
    for blocked in (top, above):
        assert blocked.build.state is BuildState.TRANSITIVE_FAILURE
        assert len(blocked.build.blockers) == MOST_BLOCKERS
        assert blocked.build.blockers <= {node.build.drv for node in low}


def test_a_failure_outranks_any_number_of_interruptions() -> None:
    graph, low, top, _ = wide(MOST_BLOCKERS + 1)
    for node in low[:-1]:
        make(graph, node, Interrupted(BuildState.TIMEOUT))
    assert top.build.state is BuildState.BLOCKED
    make(graph, low[-1], Failed(final=True))
    assert top.build == Build(top.build.drv, BuildState.TRANSITIVE_FAILURE, blockers=frozenset({low[-1].build.drv}))
    other, low, top, _ = wide(
        MOST_BLOCKERS + 2,
        lambda number: Build(queued(number).drv, BuildState.TIMEOUT if number <= MOST_BLOCKERS else BuildState.FAILURE),
    )
    assert top.build.blockers == other.nodes[top.key + 1].build.blockers == {low[-1].build.drv}


@pytest.mark.anyio
async def test_a_wide_derivation_harms_no_other(store: Store, nix: ScriptedNix, tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(2 * MOST_BLOCKERS)]
    for name in names:
        nix.derivation(name)
    nix.derivation("wide", names)
    nix.derivation("above", ["wide"])
    nix.derivation("other")
    await nix.evaluated(store)
    failing = {name: [BuildFailed("builder failed with exit code 1", 1, final=True)] for name in names}
    builder = ScriptedBuilder(nix, failing, slots=50)
    wishes = [Wanted(drv_path("above")), Wanted(drv_path("other"), share=Share("other"))]
    assert await scripted_scheduler(store, nix, [builder], tmp_path).build(wishes) == ()
    builds = await store.builds([drv_path("wide"), drv_path("above"), drv_path("other")])
    assert [builds[drv_path(name)].state for name in ("wide", "above", "other")] == [
        BuildState.TRANSITIVE_FAILURE,
        BuildState.TRANSITIVE_FAILURE,
        BuildState.SUCCESS,
    ]
    assert len(builds[drv_path("wide")].blockers) == MOST_BLOCKERS
    assert builder.order.index("other") < 2 * builder.slots, "it does not wait for the wide one"


@pytest.mark.anyio
@pytest.mark.parametrize("capacity", [None, 50])
async def test_very_many_that_one_success_releases_are_all_built(
    store: Store, nix: ScriptedNix, tmp_path: Path, capacity: int | None
) -> None:
    names = [f"n{number}" for number in range(1500)]
    nix.derivation("base")
    for name in names:
        nix.derivation(name, ["base"])
    await nix.evaluated(store)
    builder = ScriptedBuilder(nix, {}, slots=50)
    settings = SchedulerSettings(graph=GraphLimits(capacity))
    wishes = [Wanted(drv_path(name)) for name in names]
    assert await scripted_scheduler(store, nix, [builder], tmp_path, settings=settings).build(wishes) == ()
    assert builder.order[0] == "base"
    assert sorted(builder.order[1:]) == sorted(names)
    assert {build.state for build in (await store.builds([drv_path(name) for name in names])).values()} == {
        BuildState.SUCCESS
    }

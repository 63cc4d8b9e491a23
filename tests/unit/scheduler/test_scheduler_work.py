"""What the end of a build costs is counted, in lines and calls of the scheduler's own code, not timed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import attrs
import pytest

from ekaci_core import scheduler
from ekaci_core.model.build import Build, BuildState, Started, Succeeded
from ekaci_core.scheduler import Wanted
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.effects import at_once
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Lane, Placement
from ekaci_core.scheduler.ready_queue import ReadyQueue
from ekaci_core.scheduler.walks import lengthening
from ekaci_core.store import open_store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path, scripted_scheduler

if TYPE_CHECKING:
    from _typeshed import TraceFunction

OWN = str(Path(scheduler.__file__).parent)
LANE = Lane((0,))


@attrs.define
class Work:
    """How much of the scheduler's own code was run."""

    count: int = 0


@contextmanager
def lines_counted() -> Iterator[Work]:
    """Count the lines that run, those of every round of a loop."""
    work = Work()

    def trace(frame: FrameType, event: str, _arg: object) -> TraceFunction | None:
        if not frame.f_code.co_filename.startswith(OWN):
            return None
        work.count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield work
    finally:
        sys.settrace(before)


@contextmanager
def calls_counted() -> Iterator[Work]:
    """Count the calls of it and from it, which costs less."""
    work = Work()

    def profile(frame: FrameType, event: str, _arg: object) -> None:
        if event in ("call", "c_call") and frame.f_code.co_filename.startswith(OWN):
            work.count += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield work
    finally:
        sys.setprofile(before)


def star(dependents: int, others: int) -> BuildGraph:
    """One derivation that some need, each of which needs it and another one; and others beside them."""
    graph = BuildGraph()
    nodes = [node(0), node(1), *(node(key, 0, 1) for key in range(2, 2 + dependents))]
    first = 2 + dependents
    nodes += [node(first), *(node(key, key - 1) for key in range(first + 1, first + others))]
    effects = graph.add(nodes, {}, {})
    at_once(lengthening(graph, range(len(nodes)), effects))
    return graph


def node(key: int, *inputs: int) -> Node:
    return Node(key=key, build=Build(drv_path(f"n{key}")), lane=LANE, inputs=inputs)


def work_of_success(dependents: int, others: int) -> int:
    graph = star(dependents, others)
    graph.apply(graph.nodes[0], Started(), "")
    with lines_counted() as work:
        graph.apply(graph.nodes[0], Succeeded(), "built")
    assert [graph.missing(key) for key in range(2, 2 + dependents)] == [1] * dependents
    return work.count


def test_a_success_costs_what_its_direct_dependents_cost() -> None:
    few, many = work_of_success(10, 100), work_of_success(1000, 100)
    assert (many - work_of_success(0, 100)) / (few - work_of_success(0, 100)) == pytest.approx(100, rel=0.02)


def test_a_success_costs_nothing_for_the_rest_of_the_graph() -> None:
    assert work_of_success(10, 1000) == work_of_success(10, 20_000)


def work_of_decision(waiting: int) -> int:
    placement, queue = Placement([ScriptedBuilder(ScriptedNix(), slots=4)]), ReadyQueue()
    for key in range(waiting):
        queue.push(Node(key=key, build=Build(drv_path(f"n{key}"), BuildState.BUILDABLE), lane=LANE))
    with lines_counted() as work:
        assert queue.pop(placement) is not None
    return work.count


def test_a_decision_costs_nothing_for_all_that_waits() -> None:
    assert work_of_decision(1000) == work_of_decision(20_000)


@pytest.mark.anyio
async def test_a_build_in_a_large_run_costs_what_it_costs_in_a_small_one(tmp_path: Path) -> None:
    costs = []
    for count in (1000, 20_000):
        nix = ScriptedNix()
        for number in range(count):
            nix.derivation(f"n{number}", {f"n{max(0, number - each)}" for each in (40, 47, 60)} if number else ())
        needed = {each for record in nix.records.values() for each in record.inputs}
        async with open_store(None) as store:
            await nix.evaluated(store)
            builder = ScriptedBuilder(nix, slots=16, turns=0)
            async with scripted_scheduler(store, nix, [builder], tmp_path).running() as run:
                await run.add([Wanted(record.path) for record in nix.records.values() if record.path not in needed])
                left = count - len(builder.order)
                with calls_counted() as work:
                    await run.wait()
            assert len(builder.order) == count
            costs.append(work.count / left)
    small, large = costs
    assert large == pytest.approx(small, rel=0.1)

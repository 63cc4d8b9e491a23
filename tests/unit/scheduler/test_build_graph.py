"""Cases of the graph of a run that were once wrong."""

from __future__ import annotations

from ekaci_core.model.build import Build, BuildState, Interrupted, Started, Succeeded
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.effects import Effects, at_once
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Lane
from ekaci_core.scheduler.walks import giving_up, lengthening, wanting
from ekaci_core.testing.builds import drv_path

LANE = Lane((0,))


def node(key: int, *inputs: int) -> Node:
    return Node(key=key, build=Build(drv_path(f"n{key}")), lane=LANE, inputs=inputs)


def test_what_is_queued_again_behind_an_interruption_blocks_what_needs_it() -> None:
    graph = BuildGraph()
    graph.add([node(0), node(1, 0)], {}, {})
    at_once(wanting(graph, 1, 0))
    at_once(giving_up(graph, "another failed", Effects()))
    at_once(wanting(graph, 0, 0))
    below = graph.nodes[0]
    graph.apply(below, Started(), "")
    graph.apply(below, Interrupted(BuildState.OUT_OF_MEMORY), "")
    graph.add([node(4, 1)], {}, {})
    at_once(wanting(graph, 4, 0))
    blocked = [graph.nodes[key].build for key in (1, 4)]
    assert [(each.state, each.blockers) for each in blocked] == [(BuildState.BLOCKED, frozenset({drv_path("n0")}))] * 2


def test_the_longest_way_counts_expected_seconds() -> None:
    graph = BuildGraph()
    long, short, base = node(2, 0), node(1, 0), node(0)
    long.seconds, short.seconds, base.seconds = 100.0, 5.0, 1.0
    at_once(lengthening(graph, [0, 1, 2], graph.add([base, short, long], {}, {})))
    assert [each.chain for each in (base, short, long)] == [101.0, 5.0, 100.0]
    top = node(3, 1)
    top.seconds = 200.0
    at_once(lengthening(graph, [3], graph.add([top], {}, {})))
    assert [each.chain for each in (base, short, long, top)] == [206.0, 205.0, 100.0, 200.0]


def fan(dependents: int) -> BuildGraph:
    """One derivation that so many need, being built."""
    graph = BuildGraph()
    graph.add([node(key, *([0] if key else [])) for key in range(dependents + 1)], {}, {})
    for key in range(1, dependents + 1):
        at_once(wanting(graph, key, 0))
    graph.apply(graph.nodes[0], Started(), "")
    return graph


def test_a_success_releases_no_more_than_may_be_at_once_and_the_rest_comes_later() -> None:
    graph = fan(10)
    effects = graph.next_due(4)
    graph.apply(graph.nodes[0], Succeeded(), "built", effects)
    released = [[each.key for each in effects.ready]]
    assert [step.build.state for step in effects.steps] == [BuildState.SUCCESS, *[BuildState.BUILDABLE] * 4]
    while graph.due:
        assert {graph.nodes[graph.residue.keys[row]].build.state for row in graph.due} == {BuildState.QUEUED}
        released.append([each.key for each in graph.next_due(4).ready])
    assert [len(each) for each in released] == [4, 4, 2]
    assert sorted(key for each in released for key in each) == list(range(1, 11))


def test_what_is_due_and_cancelled_meanwhile_is_not_released() -> None:
    graph = fan(3)
    graph.apply(graph.nodes[0], Succeeded(), "built", graph.next_due(1))
    at_once(giving_up(graph, "another failed", Effects()))
    assert not graph.next_due(10).steps
    assert {graph.nodes[key].build.state for key in (2, 3)} == {BuildState.CANCELLED}

"""Failures that reach very many: they come part by part, and in the end it is as if they had come at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.build import Build, BuildEvent, BuildState, Failed, Interrupted, Requeued, Started, Succeeded
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.effects import Effects, at_once
from ekaci_core.scheduler.node import RUNNABLE, Node
from ekaci_core.scheduler.placement import Lane
from ekaci_core.scheduler.walks import giving_up
from ekaci_core.testing.builds import drv_path

LOW = 4
ENDS: dict[str, BuildEvent] = {
    "succeed": Succeeded(),
    "fail": Failed(final=True),
    "time out": Interrupted(BuildState.TIMEOUT),
}

Step = tuple[str, int, int]


def node(key: int, *inputs: int) -> Node:
    return Node(key=key, build=Build(drv_path(f"n{key}")), lane=Lane((0,)), inputs=inputs)


def fan(dependents: int) -> BuildGraph:
    graph = BuildGraph()
    graph.add([node(key, *([0] if key else [])) for key in range(dependents + 1)], {}, {})
    graph.apply(graph.nodes[0], Started(), "")
    return graph


def states(graph: BuildGraph) -> list[BuildState]:
    return [graph.nodes[key].build.state for key in sorted(graph.nodes)]


def test_a_failure_is_told_first_and_reaches_no_more_than_may_be_at_once() -> None:
    graph = fan(10)
    effects = graph.next_due(4)
    graph.apply(graph.nodes[0], Failed(final=True), "ill", effects)
    parts = [effects.steps]
    while graph.spreads:
        parts.append(graph.next_due(4).steps)
    assert [len(part) for part in parts] == [4, 4, 3]
    assert [step.key for part in parts for step in part] == list(range(11))
    assert parts[0][0].build.state is BuildState.FAILURE
    assert {step.build.state for part in parts for step in part[part is parts[0] :]} == {BuildState.TRANSITIVE_FAILURE}


def test_what_is_tried_again_before_its_failure_has_reached_all_blocks_nothing() -> None:
    graph = fan(10)
    graph.apply(graph.nodes[0], Failed(final=True), "ill", graph.next_due(4))
    graph.apply(graph.nodes[0], Requeued(), "somebody asked")
    assert not graph.next_due(100).steps
    assert states(graph) == [BuildState.BUILDABLE, *[BuildState.QUEUED] * 10]


def test_who_gives_up_cancels_nothing_that_a_failure_has_yet_to_reach() -> None:
    graph = fan(10)
    graph.apply(graph.nodes[0], Failed(final=True), "ill", graph.next_due(4))
    at_once(giving_up(graph, "another failed", Effects()))
    assert states(graph) == [BuildState.FAILURE, *[BuildState.TRANSITIVE_FAILURE] * 10]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[int]], list[Step]]:
    """Inputs of each derivation above the lowest, and what happens: ends, new attempts, newcomers and turns."""
    count = draw(st.integers(4, 14))
    inputs = [st.lists(st.integers(0, LOW + each - 1), min_size=1, max_size=3, unique=True) for each in range(count)]
    above = [draw(each) for each in inputs]
    kinds = st.sampled_from(["succeed", "fail", "time out", "again", "more", "turn"])
    which = st.one_of(st.integers(0, LOW - 1), st.integers(0, LOW + count - 1))
    steps = draw(st.lists(st.tuples(kinds, which, st.integers(1, 3)), max_size=30))
    return above, steps


class Both:
    """The same graph twice: what happens to one happens at once, and to the other part by part."""

    def __init__(self, above: list[list[int]]) -> None:
        self.left = list(enumerate(above, start=LOW))
        self.whole, self.parts = BuildGraph(), BuildGraph()
        self.add([(key, []) for key in range(LOW)])
        self.add([self.left.pop(0) for _ in range(len(above) // 2)])

    def add(self, newcomers: list[tuple[int, list[int]]]) -> None:
        for graph in (self.whole, self.parts):
            graph.add([node(key, *sorted(inputs)) for key, inputs in newcomers], {}, {})

    def happen(self, kind: str, key: int, most: int) -> None:
        known = self.whole.nodes.get(key)
        if kind == "turn":
            self.parts.next_due(most)
        elif kind == "more" and self.left:
            self.add([self.left.pop(0)])
        elif kind == "again" and known and known.build.state in (BuildState.FAILURE, BuildState.TIMEOUT):
            self.whole.apply(known, Requeued(), "asked")
            self.parts.apply(self.parts.nodes[key], Requeued(), "asked", self.parts.next_due(most))
        elif kind in ENDS and known and known.build.state in RUNNABLE:
            while self.parts.nodes[key].build.state not in RUNNABLE:
                self.parts.next_due(most)
            for graph, effects in ((self.whole, Effects()), (self.parts, self.parts.next_due(most))):
                graph.apply(graph.nodes[key], Started(), "")
                graph.apply(graph.nodes[key], ENDS[kind], "", effects)

    def settle(self) -> None:
        while self.parts.spreads or self.parts.due:
            self.parts.next_due(2)


@given(histories())
def test_whatever_the_parts_the_end_is_the_same(history: tuple[list[list[int]], list[Step]]) -> None:
    above, steps = history
    both = Both(above)
    for step in steps:
        both.happen(*step)
    both.settle()
    assert {key: each.build for key, each in both.parts.nodes.items()} == {
        key: each.build for key, each in both.whole.nodes.items()
    }
    assert both.parts.counts == both.whole.counts

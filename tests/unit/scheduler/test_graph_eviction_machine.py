"""Walks two graphs side by side through the same events: one keeps all in memory, the other hardly anything."""

from __future__ import annotations

from collections import Counter
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ekaci_core.model.build import (
    Build,
    BuildEvent,
    BuildState,
    Failed,
    Interrupted,
    NoBuilder,
    SetBack,
    Started,
    Succeeded,
)
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.effects import Effects, Inputs, NeedInputs, Walk, at_once
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.scheduler.node import ACTIVE, RUNNABLE, Node
from ekaci_core.scheduler.placement import Lane
from ekaci_core.scheduler.recency import Recency
from ekaci_core.scheduler.walks import culprits, giving_up, lengthening, wanting
from ekaci_core.scheduler.wishes import Share
from ekaci_core.testing.builds import drv_path

S = BuildState
SIZE: Final = 12
NODES = st.integers(0, SIZE - 1)
SHARES = st.sampled_from([Share(), Share("a"), Share("b", 2.0)])
LANE = Lane((0,))
ENDS: Final[list[BuildEvent]] = [
    Succeeded(),
    Succeeded(),
    Failed(),
    Failed(final=True),
    SetBack(),
    Interrupted(S.TIMEOUT),
    Interrupted(S.CANCELLED),
]


@st.composite
def dags(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """Inputs of each node; inputs have smaller numbers."""
    return [tuple(sorted(draw(st.sets(st.integers(0, node - 1), max_size=3)))) if node else () for node in range(SIZE)]


class Side:
    """One of the graphs, and what was recorded and released of it."""

    def __init__(self, dag: list[tuple[int, ...]]) -> None:
        self.dag = dag
        self.graph = BuildGraph()
        self.recorded: dict[int, tuple[BuildState, int, frozenset[DrvPath]]] = {}
        self.steps: Counter[int] = Counter()
        self.released: set[int] = set()
        self.ended: set[int] = set()
        self.gone: dict[int, Node] = {}
        self.recency: Recency | None = None

    def with_evictions(self) -> Side:
        """Have derivations leave memory."""
        graph = self.graph
        graph.watcher = self.recency = Recency(graph.residue, graph.nodes, GraphLimits(1), lambda: 0.0)
        return self

    def record(self, effects: Effects) -> None:
        for step in effects.steps:
            assert step.key is not None
            build = step.build
            self.recorded[step.key] = (build.state, build.failures, build.blockers)
            self.steps[step.key] += 1
        effects.steps = []
        self.released |= {node.key for node in effects.ready if node.build.state in RUNNABLE}
        self.released |= {*effects.absent_ready}
        self.ended |= {node.key for node in effects.ended} | {*effects.absent_ended}

    def bring_in(self, key: int) -> Node:
        if key not in self.graph.nodes:
            row = self.graph.residue.row
            node = self.gone.pop(key, None) or Node(key, Build(drv_path(f"n{key}")), LANE)
            inputs = [row(each) for each in self.dag[key] if each in self.graph]
            node.below = [each for each in inputs if each < row(key)]
            self.graph.attach(node)
        return self.graph.nodes[key]

    def follow(self, walk: Walk, effects: Effects) -> None:
        if self.recency is None:
            at_once(walk)
            return self.record(effects)
        answer: Inputs | None = None
        try:
            while True:
                need = walk.send(answer) if answer is not None else next(walk)
                self.record(effects)
                self.make_room(keep=need.keys)
                answer = {}
                if isinstance(need, NeedInputs):
                    row = self.graph.residue.row
                    for key in need.keys:
                        below = [row(each) for each in self.dag[key] if each in self.graph]
                        answer[row(key)] = [each for each in below if each < row(key)]
                else:
                    for key in need.keys:
                        self.bring_in(key)
        except StopIteration:
            self.record(effects)

    def make_room(self, *, keep: object = ()) -> None:
        """Have everything leave that may."""
        if self.recency is not None:
            passed_over = 0
            while (node := self.recency.oldest(passed_over)) is not None:
                if isinstance(keep, list) and node.key in keep:
                    passed_over += 1
                    continue
                self.recency.left(node)
                del self.graph.nodes[node.key]
                if node.key % 2:  # some are still held by somebody
                    self.gone[node.key] = node

    def wish(self, key: int, valid: set[int], priority: int, share: Share) -> None:
        pending, found = [key], set[int]()
        while pending:
            each = pending.pop()
            if each not in found and each not in valid and each not in self.graph:
                found.add(each)
                pending += self.dag[each]
        nodes = []
        for each in sorted(found):
            inputs = [below for below in self.dag[each] if below in found or below in self.graph]
            nodes.append(Node(each, Build(drv_path(f"n{each}")), LANE, inputs=inputs))
        row = self.graph.residue.row
        below = {row(each) for node in nodes for each in node.inputs if each in self.graph}
        for each in culprits(self.graph, sorted(below)):
            self.bring_in(each)
        effects = self.graph.add(nodes, {}, {})
        self.record(effects)
        self.follow(lengthening(self.graph, sorted(found), effects), effects)
        if key in self.graph:
            self.follow(wanting(self.graph, key, priority, share, effects), effects)

    def apply(self, key: int, event: BuildEvent) -> None:
        self.record(self.graph.apply(self.bring_in(key), event, "so"))

    def facts(self) -> list[tuple[object, ...]]:
        residue = self.graph.residue
        return [
            (
                residue.keys[row],
                residue.state(row),
                residue.failures(row),
                residue.blockers[row],
                residue.missing[row],
                residue.standings[residue.standing(row)],
                residue.chains[row],
                sorted(self.graph.dependents(residue.keys[row])),
            )
            for row in range(len(residue))
        ]


class EvictionMachine(RuleBasedStateMachine):
    """All rules happen to both."""

    @initialize(dag=dags(), valid=st.sets(NODES, max_size=3))
    def begin(self, dag: list[tuple[int, ...]], valid: set[int]) -> None:
        self.valid = valid
        self.full, self.small = Side(dag), Side(dag).with_evictions()
        self.both = (self.full, self.small)

    @rule(key=NODES, priority=st.integers(0, 2), share=SHARES)
    def wish(self, key: int, priority: int, share: Share) -> None:
        for each in self.both:
            each.wish(key, self.valid, priority, share)

    @rule(lost=st.sets(NODES, max_size=2))
    def collect_garbage(self, lost: set[int]) -> None:
        self.valid -= lost

    def within(self, *states: BuildState) -> list[int]:
        return [key for key, node in self.full.graph.nodes.items() if node.build.state in states]

    @precondition(lambda self: self.within(*RUNNABLE))
    @rule(data=st.data(), event=st.sampled_from([Started(), Started(), Started(), NoBuilder()]))
    def start(self, data: st.DataObject, event: BuildEvent) -> None:
        key = data.draw(st.sampled_from(self.within(*RUNNABLE)))
        for each in self.both:
            each.apply(key, event)

    @precondition(lambda self: self.within(S.BUILDING))
    @rule(data=st.data(), event=st.sampled_from(ENDS))
    def finish(self, data: st.DataObject, event: BuildEvent) -> None:
        key = data.draw(st.sampled_from(self.within(S.BUILDING)))
        for each in self.both:
            each.apply(key, event)

    @precondition(lambda self: self.within(S.QUEUED, *RUNNABLE))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.within(S.QUEUED, *RUNNABLE)))
        for each in self.both:
            each.apply(key, Interrupted(S.CANCELLED))

    @rule()
    def give_up(self) -> None:
        for each in self.both:
            effects = Effects()
            each.follow(giving_up(each.graph, "another failed", effects), effects)

    @precondition(lambda self: self.within(*RUNNABLE))
    @rule(data=st.data())
    def another_built_it(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.within(*RUNNABLE)))
        for each in self.both:
            node = each.bring_in(key)
            each.record(each.graph.adopt(node, Build(node.build.drv, S.SUCCESS)))

    @rule()
    def evict(self) -> None:
        self.small.make_room()

    @invariant()
    def both_are_in_the_same_state(self) -> None:
        full, small = self.both
        assert full.facts() == small.facts()
        assert full.recorded == small.recorded
        assert full.steps == small.steps
        assert full.released == small.released
        assert full.ended == small.ended
        assert +full.graph.counts == +small.graph.counts
        assert full.graph.failed == small.graph.failed

    @invariant()
    def what_is_in_memory_agrees_with_the_residue(self) -> None:
        for each in self.both:
            residue = each.graph.residue
            for key, node in each.graph.nodes.items():
                assert node.row == residue.row(key)
                known = residue.build(node.row)
                assert node.build == Build(drv_path(f"n{key}"), known.state, known.failures, known.blockers)
                assert (node.priority, node.shares) == residue.standings[residue.standing(node.row)]
                assert (node.seconds, node.chain) == (residue.seconds[node.row], residue.chains[node.row])

    @invariant()
    def what_is_active_and_its_neighbours_stay(self) -> None:
        graph, recency = self.small.graph, self.small.recency
        assert recency is not None
        active = {key for key, node in graph.nodes.items() if node.build.state in ACTIVE}
        every = {key for key, node in self.full.graph.nodes.items() if node.build.state in ACTIVE}
        assert active == every & graph.nodes.keys()
        near = {each for key in active for each in (*graph.inputs(key), *graph.dependents(key))}
        assert recency.pinned == len((active | near) & graph.nodes.keys())


TestEvictionMachine = EvictionMachine.TestCase
TestEvictionMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)

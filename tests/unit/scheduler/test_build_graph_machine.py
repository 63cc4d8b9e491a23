"""Walks the graph of a run as the scheduler does, with crashes, and compares each step with a slow derivation."""

from __future__ import annotations

from collections import Counter
from typing import Final

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ekaci_core.model.build import (
    COUNTED_FAILURES,
    Build,
    BuildState,
    Failed,
    Interrupted,
    SetBack,
    Started,
    Succeeded,
)
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.effects import Effects, at_once
from ekaci_core.scheduler.node import FAILED, RUNNABLE, UNWANTED, Node
from ekaci_core.scheduler.placement import Lane
from ekaci_core.scheduler.recovery import after_death, resumed
from ekaci_core.scheduler.walks import giving_up, lengthening, wanting
from ekaci_core.store.contract import Attempt, AttemptId
from ekaci_core.testing.builds import drv_path

S = BuildState
SIZE: Final = 7
NODES = st.integers(0, SIZE - 1)
OF_ITS_OWN: Final = FAILED | {S.BUILDING, S.SUCCESS}


ENDS: Final = (S.SUCCESS, S.FAILED_RETRY, S.FAILURE, S.TIMEOUT, S.PROCESS_DEATH, S.SCHEDULER_DEATH)


def ended(drv: DrvPath, outcome: BuildState) -> Attempt:
    return Attempt(AttemptId(1), drv, "local", 0, None, ended_at=1, outcome=outcome, reason="why")


@st.composite
def dags(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """Inputs of each node; inputs have smaller numbers."""
    return [tuple(sorted(draw(st.sets(st.integers(0, node - 1), max_size=3)))) if node else () for node in range(SIZE)]


class SchedulerMachine(RuleBasedStateMachine):
    """``stored`` is the database, ``valid`` the Nix store, ``graph`` and ``queue`` what a process holds."""

    @initialize(dag=dags(), homeless=st.sets(NODES, max_size=1))
    def begin(self, dag: list[tuple[int, ...]], homeless: set[int]) -> None:
        self.dag = dag
        self.homeless = homeless
        self.stored: dict[DrvPath, Build] = {}
        self.valid: set[int] = set()
        self.successes: Counter[int] = Counter()
        self.losses: Counter[int] = Counter()
        self.graph = BuildGraph()
        self.queue: set[int] = set()
        self.wishes: dict[int, int] = {}

    def record(self, effects: Effects) -> None:
        for step in effects.steps:
            assert self.stored.get(step.build.drv) != step.build, "a step that is none"
            self.stored[step.build.drv] = step.build
        for node in effects.ready:
            assert self.stored[node.build.drv] == node.build, "released before it is recorded"
            if node.build.state in RUNNABLE:
                self.queue.add(node.key)

    def to_build(self, key: int) -> set[int]:
        found: set[int] = set()
        pending = [key]
        while pending:
            each = pending.pop()
            if each not in found and each not in self.valid:
                found.add(each)
                pending += self.dag[each]
        return found

    @rule(key=NODES, priority=st.integers(0, 2), rebuild_failed=st.booleans())
    def wish(self, key: int, priority: int, *, rebuild_failed: bool) -> None:
        if key not in self.graph:
            missing = sorted(each for each in self.to_build(key) if each not in self.graph)
            self.newcomers(missing, rebuild_failed=rebuild_failed)
        if key in self.graph:
            effects = Effects()
            at_once(wanting(self.graph, key, priority, effects=effects))
            self.record(effects)
            self.wishes[key] = max(priority, self.wishes.get(key, UNWANTED))

    def newcomers(self, keys: list[int], *, rebuild_failed: bool) -> None:
        nodes, causes = [], {}
        for key in keys:
            build = self.stored.get(drv_path(f"n{key}"), Build(drv_path(f"n{key}")))
            if build.drv in self.stored and (step := resumed(build, rebuild_failed=rebuild_failed)):
                build, causes[key] = step.build, step.cause
            inputs = tuple(each for each in self.dag[key] if each in keys or each in self.graph)
            lane = Lane(() if key in self.homeless else (0,))
            nodes.append(Node(key=key, build=build, lane=lane, inputs=inputs, obstacle="no builder"))
        effects = self.graph.add(nodes, self.stored, causes)
        at_once(lengthening(self.graph, [node.key for node in nodes], effects))
        self.record(effects)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.queue)))
        self.queue.discard(key)
        node = self.graph.nodes[key]
        if node.build.state in RUNNABLE:
            self.record(self.graph.apply(node, Started(), "started"))

    def building(self) -> list[int]:
        return [key for key, node in self.graph.nodes.items() if node.build.state is S.BUILDING]

    @precondition(lambda self: self.building())
    @rule(data=st.data(), event=st.sampled_from([Succeeded(), Succeeded(), Failed(), Failed(final=True)]))
    def finish(self, data: st.DataObject, event: Succeeded | Failed) -> None:
        key = data.draw(st.sampled_from(sorted(self.building())))
        if isinstance(event, Succeeded):
            self.valid.add(key)
            self.successes[key] += 1
        self.record(self.graph.apply(self.graph.nodes[key], event, "finished"))

    @precondition(lambda self: self.building())
    @rule(data=st.data(), kind=st.sampled_from([state for state in S if state.is_interruption]))
    def interrupt(self, data: st.DataObject, kind: BuildState) -> None:
        key = data.draw(st.sampled_from(sorted(self.building())))
        self.record(self.graph.apply(self.graph.nodes[key], Interrupted(kind), "interrupted"))

    @precondition(lambda self: self.building())
    @rule(data=st.data())
    def set_back(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.building())))
        before = self.graph.nodes[key].build
        self.record(self.graph.apply(self.graph.nodes[key], SetBack(), "the network was away"))
        after = self.graph.nodes[key].build
        assert after.failures == before.failures
        assert after.state in RUNNABLE

    @rule()
    def give_up(self) -> None:
        effects = Effects()
        at_once(giving_up(self.graph, "another failed", effects))
        self.record(effects)
        for key in self.building():
            self.record(self.graph.apply(self.graph.nodes[key], Interrupted(S.CANCELLED), "another failed"))
        self.queue.clear()

    @rule(lost=st.sets(NODES, max_size=2), seen=st.sampled_from([None, *ENDS]))
    def crash(self, lost: set[int], seen: BuildState | None) -> None:
        """The process dies, perhaps between an attempt's end and what follows; garbage is collected before the next."""
        self.graph, self.queue, self.wishes = BuildGraph(), set(), {}
        for drv, build in list(self.stored.items()):
            if build.state is S.BUILDING:
                self.stored[drv] = after_death(build, ended(drv, seen) if seen else None)[-1].build
                key = int(drv.name.removeprefix("n"))
                if seen is S.SUCCESS:
                    self.valid.add(key)
                    self.successes[key] += 1
        self.losses.update(lost & self.valid)
        self.valid -= lost

    @invariant()
    def states_follow_from_those_of_the_inputs(self) -> None:
        for node in self.graph.nodes.values():
            assert node.build == self.derived(node), node
            assert self.stored[node.build.drv] == node.build

    def derived(self, node: Node) -> Build:
        own = node.build
        if own.state in OF_ITS_OWN:
            return attrs.evolve(own, blockers=frozenset())
        below = [self.graph.nodes[each].build for each in self.graph.inputs(node.key)]
        failed = {each.drv for each in below if each.state in FAILED}.union(
            *(each.blockers for each in below if each.state is S.TRANSITIVE_FAILURE)
        )
        if failed:
            return attrs.evolve(own, state=S.TRANSITIVE_FAILURE, blockers=frozenset(failed))
        if own.state.is_interruption:
            return attrs.evolve(own, blockers=frozenset())
        interrupted = {each.drv for each in below if each.state.is_interruption}.union(
            *(each.blockers for each in below if each.state is S.BLOCKED)
        )
        if interrupted:
            return attrs.evolve(own, state=S.BLOCKED, blockers=frozenset(interrupted))
        if all(each.state is S.SUCCESS for each in below):
            return attrs.evolve(own, state=S.FAILED_RETRY if own.failures else S.BUILDABLE, blockers=frozenset())
        return attrs.evolve(own, state=S.QUEUED, blockers=frozenset())

    @invariant()
    def what_builds_has_its_inputs(self) -> None:
        for key in self.building():
            assert all(self.graph.nodes[each].build.state is S.SUCCESS for each in self.graph.inputs(key))

    @invariant()
    def failures_are_bounded_and_successes_not_repeated(self) -> None:
        assert all(build.failures <= COUNTED_FAILURES for build in self.stored.values())
        assert all(count <= 1 + self.losses[key] for key, count in self.successes.items())

    @invariant()
    def all_that_may_run_waits_for_a_slot(self) -> None:
        runnable = {key for key, node in self.graph.nodes.items() if node.build.state in RUNNABLE}
        assert runnable <= self.queue
        for key in self.homeless & set(self.graph.nodes):
            assert self.graph.nodes[key].build.state not in {*RUNNABLE, S.QUEUED, S.BUILDING}

    @invariant()
    def figures_agree_with_the_graph(self) -> None:
        nodes = self.graph.nodes
        assert +self.graph.counts == Counter(node.build.state for node in nodes.values())
        for key, node in nodes.items():
            assert sorted(self.graph.dependents(key)) == sorted(
                each for each in nodes if key in self.graph.inputs(each)
            )
            assert self.graph.missing(key) == sum(
                nodes[each].build.state is not S.SUCCESS for each in self.graph.inputs(node.key)
            )
            assert node.chain == 1 + max((nodes[each].chain for each in self.graph.dependents(key)), default=0)
            wishes = [self.wishes.get(key, UNWANTED), *(nodes[each].priority for each in self.graph.dependents(key))]
            assert node.priority == max(wishes)


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(
    max_examples=250, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)

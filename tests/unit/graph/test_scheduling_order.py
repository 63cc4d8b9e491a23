"""Readiness, failure and priority over random graphs, against the plainest definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.graph.dag import Dag
from ekaci_core.graph.failure import blocked_by, unblocked_by
from ekaci_core.graph.priority import critical_paths
from ekaci_core.graph.readiness import Readiness

#     5
#    / \
#   3   4    6
#    \ / \  /
#     1   2
#      \ /
#       0
ROWS = [(0, []), (1, [0]), (2, [0]), (3, [1]), (4, [1, 2]), (5, [3, 4]), (6, [2])]
DIAMONDS = Dag.of(ROWS)
ALL = range(7)


@st.composite
def dags(draw: st.DrawFn) -> Dag:
    size = draw(st.integers(1, 14))
    return Dag.of(
        (node, draw(st.lists(st.integers(0, node - 1), unique=True, max_size=4)) if node else [])
        for node in range(size)
    )


def subset(data: st.DataObject, dag: Dag) -> set[int]:
    return data.draw(st.sets(st.integers(0, len(dag) - 1)))


def plainly_ready(dag: Dag, undone: set[int]) -> list[int]:
    return sorted(node for node in undone if not undone & set(dag.inputs(node)))


@given(dags(), st.data())
def test_what_is_ready_is_exactly_what_waits_for_nothing(dag: Dag, data: st.DataObject) -> None:
    wanted, done = subset(data, dag), subset(data, dag)
    readiness, undone = Readiness(dag, wanted, done), wanted - done
    ready = set(readiness.ready())
    while undone:
        assert sorted(ready) == plainly_ready(dag, undone) == readiness.ready()
        assert all(readiness.is_ready(node) == (node in ready) for node in range(len(dag)))
        node = data.draw(st.sampled_from(sorted(ready)))
        undone.remove(node)
        released = readiness.completed(node)
        assert not ready & set(released)
        ready = ready - {node} | set(released)
    assert (readiness.undone, ready, readiness.ready()) == (0, set(), [])


@given(dags(), st.data())
def test_in_any_order_of_wishes_and_completions_readiness_stays_exact(dag: Dag, data: st.DataObject) -> None:
    undone = subset(data, dag)
    readiness = Readiness(dag, undone)
    for _ in range(data.draw(st.integers(0, 12))):
        if data.draw(st.booleans()):
            more = subset(data, dag)
            fresh = more - undone
            undone |= more
            assert readiness.want(more) == [node for node in plainly_ready(dag, undone) if node in fresh]
        else:
            node = data.draw(st.integers(0, len(dag) - 1))
            before = set(plainly_ready(dag, undone))
            undone.discard(node)
            assert readiness.completed(node) == [n for n in plainly_ready(dag, undone) if n not in before]
        assert readiness.ready() == plainly_ready(dag, undone)
        assert [node in readiness for node in range(len(dag))] == [node in undone for node in range(len(dag))]


def test_a_completion_releases_only_those_it_was_the_last_to_hold() -> None:
    readiness = Readiness(DIAMONDS, ALL)
    assert readiness.ready() == [0]
    assert readiness.completed(0) == [1, 2]
    assert readiness.completed(1) == [3]
    assert readiness.completed(1) == []
    assert readiness.completed(2) == [4, 6]


def test_what_is_not_wanted_holds_nothing_up() -> None:
    readiness = Readiness(DIAMONDS, [4, 5], done=[4])
    assert readiness.ready() == [5]
    assert readiness.completed(0) == []


@pytest.mark.parametrize(
    ("failed", "wanted", "blocked"),
    [
        ([1], ALL, [3, 4, 5]),
        ([1, 2], ALL, [3, 4, 5, 6]),
        ([0, 1], ALL, [1, 2, 3, 4, 5, 6]),
        ([1], [0, 2, 5, 6], []),  # 3 and 4 are there already
        ([2], [5], []),
        ([2], [4, 5], [4, 5]),
        ([5], ALL, []),
    ],
)
def test_a_failure_blocks_its_wanted_dependents(failed: list[int], wanted: list[int], blocked: list[int]) -> None:
    assert blocked_by(DIAMONDS, failed, wanted) == blocked


@pytest.mark.parametrize(
    ("fixed", "failed", "unblocked"),
    [([1], [], [3, 4, 5]), ([1], [2], [3]), ([2], [1], [6]), ([1], [0], []), ([1, 2], [], [3, 4, 5, 6])],
)
def test_a_fix_frees_those_that_nothing_else_blocks(fixed: list[int], failed: list[int], unblocked: list[int]) -> None:
    assert unblocked_by(DIAMONDS, fixed, failed, ALL) == unblocked


@given(dags(), st.data())
def test_a_failure_among_all_blocks_exactly_the_strict_dependents(dag: Dag, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, len(dag) - 1))
    dependents = dag.dependents_closure([failed])
    dependents[failed] = 0
    assert blocked_by(dag, [failed], range(len(dag))) == [node for node, mark in enumerate(dependents) if mark]


def heaviest(dag: Dag, node: int, wanted: set[int], weights: list[float]) -> float:
    if node not in wanted:
        return 0
    return weights[node] + max((heaviest(dag, each, wanted, weights) for each in dag.dependents(node)), default=0)


@given(dags(), st.data())
def test_a_chain_is_the_heaviest_of_those_that_wait(dag: Dag, data: st.DataObject) -> None:
    wanted = subset(data, dag)
    weights = [float(data.draw(st.integers(0, 9))) for _ in range(len(dag))]
    chains = critical_paths(dag, wanted, weights)
    assert list(chains) == [heaviest(dag, node, wanted, weights) for node in range(len(dag))]


def test_without_weights_a_chain_counts_its_nodes() -> None:
    assert list(critical_paths(DIAMONDS)) == [4, 3, 3, 2, 2, 1, 1]
    assert list(critical_paths(DIAMONDS, [1, 3, 6])) == [0, 2, 0, 1, 0, 0, 1]

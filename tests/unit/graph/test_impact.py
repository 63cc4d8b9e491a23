from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.graph import impact
from ekaci_core.graph.dag import Dag


@st.composite
def dags(draw: st.DrawFn) -> Dag:
    size = draw(st.integers(0, 24))
    return Dag.of(
        (node, draw(st.lists(st.integers(0, node - 1), unique=True, max_size=4)) if node else [])
        for node in range(size)
    )


def counted(dag: Dag) -> list[int]:
    return [sum(dag.dependents_closure([node])) - 1 for node in range(len(dag))]


@given(dags())
def test_every_count_is_exact(dag: Dag) -> None:
    assert list(impact.strict_dependents(dag)) == counted(dag)


@given(dags(), st.data())
def test_asked_for_some_those_are_exact_and_no_other_is_wrong(dag: Dag, data: st.DataObject) -> None:
    nodes = data.draw(st.sets(st.sampled_from(range(len(dag))))) if len(dag) else set()
    expected, found = counted(dag), impact.strict_dependents(dag, nodes)
    assert {node: found[node] for node in nodes} == {node: expected[node] for node in nodes}
    assert all(count in (0, expected[node]) for node, count in enumerate(found))


def test_more_dependents_than_one_block_holds() -> None:
    width = impact._BLOCK_BITS + 100  # the sweep's own size: one node past a block is where it would go wrong
    rows = [(0, []), *((node, [0]) for node in range(1, width)), (width, [1, 2])]
    counts = impact.strict_dependents(Dag.of(rows))
    assert (counts[0], counts[1], counts[2], counts[3]) == (width, 1, 1, 0)


def test_a_chain_counts_down() -> None:
    dag = Dag.of((node, [node - 1] if node else []) for node in range(20_000))
    assert list(impact.strict_dependents(dag)) == list(range(19_999, -1, -1))

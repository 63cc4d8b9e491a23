from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.graph.dag import Dag, nodes_of

Rows = list[tuple[int, list[int]]]


@st.composite
def graphs(draw: st.DrawFn, largest: int = 12) -> Rows:
    """Rows of a random graph: keys with gaps, inputs before dependents."""
    keys = sorted(draw(st.sets(st.integers(0, 2**32 - 1), max_size=largest)))
    return [
        (key, draw(st.lists(st.sampled_from(keys[:at]), unique=True, max_size=6)) if at else [])
        for at, key in enumerate(keys)
    ]


def packed(rows: Rows) -> list[tuple[int, bytes]]:
    return [(key, struct.pack(f"<{len(inputs)}I", *inputs)) for key, inputs in rows]


def reach(node: int, step: Callable[[int], object]) -> set[int]:
    found = {node}
    for each in list(step(node)):  # type: ignore[call-overload]
        found |= reach(each, step)
    return found


@given(graphs())
def test_adjacency_is_what_was_given_and_its_exact_inverse(rows: Rows) -> None:
    dag = Dag.of(rows)
    assert list(dag.keys) == [key for key, _ in rows]
    assert [[dag.keys[needed] for needed in dag.inputs(node)] for node in range(len(dag))] == [i for _, i in rows]
    assert dag.edges == sum(len(inputs) for _, inputs in rows)
    for node in range(len(dag)):
        assert list(dag.dependents(node)) == [other for other in range(len(dag)) if node in dag.inputs(other)]
        assert dag.node(dag.keys[node]) == node


@given(graphs())
def test_packed_rows_make_the_same_graph(rows: Rows) -> None:
    plain, dag = Dag.of(rows), Dag.of_packed(packed(rows))
    assert dag.keys == plain.keys
    assert [dag.inputs(node) for node in range(len(dag))] == [plain.inputs(node) for node in range(len(dag))]


@given(graphs(), st.data())
def test_closures_follow_edges_to_their_end(rows: Rows, data: st.DataObject) -> None:
    dag = Dag.of(rows)
    nodes = data.draw(st.sets(st.sampled_from(range(len(dag))))) if rows else set()
    needed = set().union(*(reach(node, dag.inputs) for node in nodes))
    needing = set().union(*(reach(node, dag.dependents) for node in nodes))
    assert set(nodes_of(dag.closure(nodes))) == needed
    assert list(nodes_of(dag.dependents_closure(nodes))) == sorted(needing)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(2, []), (1, [])], "keys must ascend"),
        ([(1, []), (1, [])], "keys must ascend"),
        ([(1, []), (2, [7])], "7, is not among the keys"),
        ([(1, [2]), (2, [])], "1 has an input that is not before it"),
        ([(1, [1])], "1 has an input that is not before it"),
        ([(1, [2]), (2, [1])], "1 has an input that is not before it"),
    ],
)
def test_disorder_and_cycles_are_refused(rows: Rows, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dag.of(rows)
    with pytest.raises(ValueError, match=message):
        Dag.of_packed(packed(rows))


@pytest.mark.parametrize("blobs", [[b"\1\0\0"], [b"", b"\1\0", b"\0\0"]])
def test_a_torn_blob_is_refused(blobs: list[bytes]) -> None:
    with pytest.raises(ValueError, match="no row of 32-bit numbers"):
        Dag.of_packed(enumerate(blobs))


def test_an_unknown_key_is_a_key_error() -> None:
    dag = Dag.of([(3, []), (5, [3])])
    for key in (0, 4, 6):
        with pytest.raises(KeyError):
            dag.node(key)


def test_a_graph_deeper_than_the_stack_is_walked() -> None:
    dag = Dag.of((key, [key - 1] if key else []) for key in range(50_000))
    assert sum(dag.closure([49_999])) == 50_000
    assert sum(dag.dependents_closure([0])) == 50_000


def test_an_empty_graph_is_a_graph() -> None:
    dag = Dag.of_packed([])
    assert (len(dag), dag.edges, dag.closure([])) == (0, 0, bytearray())

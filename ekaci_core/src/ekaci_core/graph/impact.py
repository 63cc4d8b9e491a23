"""How much depends on a derivation: exact counts of transitive dependents."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

from ekaci_core.graph.dag import Dag, nodes_of

_BLOCK_BITS: Final = 8192
"""Dependents counted in one sweep; a node's set is at most this many bits, so 32,000 nodes take 32 MB at most."""


def strict_dependents(dag: Dag, nodes: Iterable[int] | None = None) -> array[int]:
    """Count, for every node, the nodes that need it directly or not; the node itself does not count.

    Args:
        dag: the graph.
        nodes: those whose count is wanted, None for all. The counts of other nodes are 0 or, where they depend on
            one of these, right too. The work is proportional to the part of the graph that depends on them.

    Returns:
        One count a node, by its number.
    """
    counts = array("i", bytes(4 * len(dag)))
    affected = list(range(len(dag)) if nodes is None else nodes_of(dag.dependents_closure(nodes)))
    inputs = _inputs_within(dag, affected)
    for low in range(0, len(affected), _BLOCK_BITS):
        _count_block(counts, affected, inputs, low, min(low + _BLOCK_BITS, len(affected)))
    return counts


def _inputs_within(dag: Dag, affected: list[int]) -> list[list[int]]:
    """List the inputs of each affected node that are affected too, as positions in ``affected``."""
    if len(affected) == len(dag):
        return [list(dag.inputs(node)) for node in affected]
    position = {node: at for at, node in enumerate(affected)}
    return [[position[needed] for needed in dag.inputs(node) if needed in position] for node in affected]


def _count_block(counts: array[int], affected: list[int], inputs: list[list[int]], low: int, high: int) -> None:
    """Add to each count the dependents at positions ``low`` to ``high``.

    From the last position down, each node hands the set of its dependents, as the bits of an integer, to its inputs.
    A set is complete when its node is reached, since dependents come later, and is dropped there.
    """
    dependents = [0] * high
    for at in range(high - 1, -1, -1):
        bits = dependents[at]
        dependents[at] = 0
        if bits:
            counts[affected[at]] += bits.bit_count()
        if at >= low:
            bits |= 1 << (high - 1 - at)
        if bits:
            for needed in inputs[at]:
                dependents[needed] |= bits

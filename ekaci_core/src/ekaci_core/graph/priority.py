"""In which order to build what is ready."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

from ekaci_core.graph.dag import Dag


def critical_paths(
    dag: Dag, wanted: Iterable[int] | None = None, weights: Sequence[float] | None = None
) -> array[float]:
    """Return, for every node, the weight of the heaviest chain of wanted nodes that begins with it and waits for it.

    To finish soonest with enough builders, build what heads the heaviest chain first. The work is proportional to
    the wanted nodes and their edges, besides the array itself.

    Args:
        dag: the graph.
        wanted: the nodes to be built, None for all; others weigh nothing and break chains.
        weights: by node, for example expected seconds, none negative; None weighs each as 1.

    Returns:
        By node, the node's own weight included; 0 for what is not wanted.
    """
    chains = array("d", bytes(8 * len(dag)))
    nodes = range(len(dag)) if wanted is None else sorted(set(wanted))
    included = bytearray(len(dag))
    for node in nodes:
        included[node] = 1
    # Dependents have higher numbers, so a node's chain is known before its inputs ask for it.
    for node in reversed(nodes):
        chain = chains[node] = chains[node] + (1.0 if weights is None else weights[node])
        for needed in dag.inputs(node):
            if included[needed] and chains[needed] < chain:
                chains[needed] = chain
    return chains

"""What can be built now."""

from __future__ import annotations

from collections.abc import Container, Iterable

from ekaci_core.graph.dag import Dag


class Readiness:
    """Follows the wanted nodes of a graph from waiting to ready to done.

    A wanted node is ready when no input of its own is wanted and undone: what is not wanted is taken to be there.
    Creating costs as much as the wanted nodes have inputs, each completion as much as the node has direct dependents.
    """

    __slots__ = ("_dag", "_undone", "_unmet")

    def __init__(self, dag: Dag, wanted: Iterable[int], done: Container[int] = frozenset()) -> None:
        """Begin with those of ``wanted`` that are not ``done``; `ready` tells which need not wait at all."""
        self._dag = dag
        self._undone = {node for node in wanted if node not in done}
        self._unmet = {node: sum(needed in self._undone for needed in dag.inputs(node)) for node in self._undone}

    @property
    def undone(self) -> int:
        """How many are wanted and not done."""
        return len(self._undone)

    def __contains__(self, node: int) -> bool:
        """Whether a node is wanted and not done."""
        return node in self._undone

    def is_ready(self, node: int) -> bool:
        """Whether a node is wanted, not done, and waits for nothing."""
        return self._unmet.get(node) == 0

    def ready(self) -> list[int]:
        """Return all that are ready, ascending; looks at every wanted node."""
        return sorted(node for node, unmet in self._unmet.items() if unmet == 0)

    def completed(self, node: int) -> list[int]:
        """Count a node as done and return those that became ready by it, ascending.

        Nothing happens if it is done already or was never wanted. It need not have been ready: outputs may turn up
        by themselves.
        """
        if node not in self._undone:
            return []
        self._undone.remove(node)
        del self._unmet[node]
        released = []
        for dependent in self._dag.dependents(node):
            unmet = self._unmet.get(dependent)
            if unmet is not None:
                self._unmet[dependent] = unmet - 1
                if unmet == 1:
                    released.append(dependent)
        return released

    def want(self, nodes: Iterable[int]) -> list[int]:
        """Want more nodes, also such as were done; returns those of them that are ready, ascending.

        A dependent that was ready waits again for an input that is wanted anew: `is_ready` says so.
        """
        added = {node for node in nodes if node not in self._undone}
        self._undone |= added
        for node in added:
            self._unmet[node] = sum(needed in self._undone for needed in self._dag.inputs(node))
            for dependent in self._dag.dependents(node):
                if dependent in self._undone and dependent not in added:
                    self._unmet[dependent] += 1
        return sorted(node for node in added if self._unmet[node] == 0)

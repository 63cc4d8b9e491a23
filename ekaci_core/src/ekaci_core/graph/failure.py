"""Whom a failure keeps from being built."""

from __future__ import annotations

from collections.abc import Container, Iterable

from ekaci_core.graph.dag import Dag


def blocked_by(dag: Dag, failed: Iterable[int], wanted: Container[int]) -> list[int]:
    """Return the wanted nodes that need a failed one, directly or through other wanted ones, ascending.

    What lies behind a node that is not wanted is not blocked: that node is there already. A failed node itself is
    among them only where it needs another failed one.
    """
    blocked: set[int] = set()
    waiting = list(failed)
    while waiting:
        for dependent in dag.dependents(waiting.pop()):
            if dependent not in blocked and dependent in wanted:
                blocked.add(dependent)
                waiting.append(dependent)
    return sorted(blocked)


def unblocked_by(dag: Dag, fixed: Iterable[int], failed: Iterable[int], wanted: Container[int]) -> list[int]:
    """Return the wanted nodes that ``fixed`` nodes blocked and that none of ``failed``, the rest, blocks; ascending."""
    still = set(blocked_by(dag, failed, wanted))
    return [node for node in blocked_by(dag, fixed, wanted) if node not in still]

"""Derivations that could start now, in order, one lane for each set of builders that can take them."""

from __future__ import annotations

from heapq import heappop, heappush

from ekaci_core.scheduler.node import RUNNABLE, Node, Rank
from ekaci_core.scheduler.placement import Lane, Placement


class ReadyQueue:
    """What waits for a slot.

    There are as many lanes as different sets of builders, which are few, so that a derivation whose builders are all
    busy holds up none for which a slot is free. A node whose rank rises is pushed again; by the time its old
    entry comes up it has left the queue.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[tuple[Rank, Node]]] = {}

    def push(self, node: Node) -> None:
        """Let a node wait for a slot, or move it forward after its rank rose."""
        node.queued = True
        heappush(self._lanes.setdefault(node.lane, []), (node.rank, node))

    def pop(self, placement: Placement) -> tuple[Node, int] | None:
        """Take out the first node for which a builder has a free slot, and name that builder."""
        best: tuple[Rank, list[tuple[Rank, Node]], int] | None = None
        for lane, heap in self._lanes.items():
            at = placement.free(lane)
            if at is None or not _settle(heap):
                continue
            if best is None or heap[0][0] < best[0]:
                best = (heap[0][0], heap, at)
        if best is None:
            return None
        _, heap, at = best
        _, node = heappop(heap)
        node.queued = False
        return node, at


def _settle(heap: list[tuple[Rank, Node]]) -> bool:
    """Drop stale entries from the front; say whether any is left."""
    while heap:
        _, node = heap[0]
        if node.queued and node.build.state in RUNNABLE:
            return True
        heappop(heap)
    return False

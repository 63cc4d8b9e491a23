"""Derivations that could start now: fair between those who want them, the longest way to go first within each."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

import attrs

from ekaci_core.scheduler.node import RUNNABLE, Node, Rank
from ekaci_core.scheduler.placement import Lane, Placement
from ekaci_core.scheduler.wishes import Share

_Heap = list[tuple[Rank, Node]]
_Order = tuple[float, float, Rank]
_NOBODYS: Final = (Share(),)


@attrs.define(eq=False)
class _Account:
    """What a share has had: expected seconds of building, divided by its weight."""

    spent: float = 0.0
    waiting: int = 0


class ReadyQueue:
    """What waits for a slot.

    There are as many lanes as different sets of builders, which are few, so that a derivation whose builders are all
    busy holds up none for which a slot is free. Among equal priorities the share goes first that will have had least
    once its next build is done, so that of two that had as much the one with the shorter build goes. A share that comes
    late begins where the one stands that went last in its lane: it saves up nothing while it wants nothing, and however
    many come, those that wait do get their turn.

    A derivation that several shares want waits in each of them. A node whose rank rises is pushed again; by the time
    its other entries come up it has left the queue.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, dict[Share, _Heap]] = {}
        self._accounts: dict[Share, _Account] = {}
        self._now: dict[Lane, float] = {}

    def push(self, node: Node) -> None:
        """Let a node wait for a slot, or move it forward after its rank rose."""
        node.queued = True
        entry = (node.rank, node)
        for share in node.shares or _NOBODYS:
            heappush(self._heap(node.lane, share), entry)

    def pop(self, placement: Placement) -> Node | None:
        """Take out the first node for which a builder has a free slot."""
        best: tuple[_Order, Share, _Heap] | None = None
        for lane, heaps in self._lanes.items():
            if placement.free(lane) is None:
                continue
            for share in [share for share, heap in heaps.items() if not _settle(heap)]:
                del heaps[share]
                self._accounts[share].waiting -= 1
            for share, heap in heaps.items():
                rank, first = heap[0]
                order = (rank[0], self._accounts[share].spent + first.seconds / share.weight, rank)
                if best is None or order < best[0]:
                    best = (order, share, heap)
        if best is None:
            return None
        (_, spent, _), share, heap = best
        _, node = heappop(heap)
        node.queued = False
        self._accounts[share].spent = self._now[node.lane] = spent
        return node

    @property
    def waiting(self) -> bool:
        """Whether anything waits."""
        return any(_settle(heap) for heaps in self._lanes.values() for heap in heaps.values())

    def _heap(self, lane: Lane, share: Share) -> _Heap:
        heaps = self._lanes.setdefault(lane, {})
        heap = heaps.get(share)
        if heap is None:
            heap = heaps[share] = []
            account = self._accounts.setdefault(share, _Account())
            if not account.waiting:
                account.spent = max(account.spent, self._now.get(lane, 0.0))
            account.waiting += 1
        return heap


def _settle(heap: _Heap) -> bool:
    """Drop stale entries from the front; say whether any is left."""
    while heap:
        _, node = heap[0]
        if node.queued and node.build.state in RUNNABLE:
            return True
        heappop(heap)
    return False

"""Derivations that could start now: fair between those who want them, the longest way to go first within each."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

import attrs

from ekaci_core.scheduler.accounts import Accounts
from ekaci_core.scheduler.node import RUNNABLE, Node, Rank
from ekaci_core.scheduler.placement import Lane, Placement
from ekaci_core.scheduler.wishes import Share

_Heap = list[tuple[Rank, Node]]
_Order = tuple[float, float, Rank]
_NOBODYS: Final = (Share(),)


@attrs.frozen
class _Begun:
    """What was taken out: for whom, and for how many expected seconds."""

    node: Node
    share: Share
    seconds: float


class ReadyQueue:
    """What waits for a slot.

    There are as many lanes as different sets of builders, which are few, so that a derivation whose builders are all
    busy holds up none for which a slot is free. Among equal priorities the share goes first that will have had least
    once the longest way from its next build is done. With that a small change is done, and it keeps its place to the
    end; what is large gives way to it, for as long as its own way takes. What a share has had, and where one begins
    that comes late, is in its account.

    So small shares end in the order in which equal parts would end them, and none waits for bits of all others: the
    idea of the fair sojourn protocol (Friedman and Henderson, Fairness and efficiency in web server protocols, 2003).

    A derivation that several shares want waits in each of them. A node whose rank rises is pushed again; by the time
    its other entries come up it has left the queue.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, dict[Share, _Heap]] = {}
        self._accounts = Accounts()
        self._begun: dict[int, _Begun] = {}

    def push(self, node: Node) -> None:
        """Let a node wait for a slot, again after an attempt, or move it forward after its rank rose."""
        node.queued = True
        entry = (node.rank, node)
        for share in node.shares or _NOBODYS:
            heappush(self._heap(node.lane, share), entry)
        self.ended(node.key)

    def pop(self, placement: Placement) -> Node | None:
        """Take out the first node for which a builder has a free slot. Say so when it has `ended`."""
        best: tuple[_Order, Share, _Heap] | None = None
        for lane, heaps in self._lanes.items():
            if placement.free(lane) is None:
                continue
            for share in [share for share, heap in heaps.items() if not _settle(heap)]:
                del heaps[share]
                self._accounts.leave(share)
            for share, heap in heaps.items():
                rank, first = heap[0]
                order = (rank[0], self._accounts.spent(share) + _way(first) / share.weight, rank)
                if best is None or order < best[0]:
                    best = (order, share, heap)
        if best is None:
            return None
        _, share, heap = best
        _, node = heappop(heap)
        node.queued = False
        self._begun[node.key] = _Begun(node, share, node.seconds)
        self._accounts.charge(share, node.seconds)
        return node

    def ended(self, key: int) -> None:
        """Note that what was taken out is not being built any more; call it after pushing what follows from that."""
        if (begun := self._begun.pop(key, None)) is not None:
            self._accounts.served(begun.node.lane, begun.share, begun.seconds)

    @property
    def waiting(self) -> bool:
        """Whether anything waits."""
        return any(_settle(heap) for heaps in self._lanes.values() for heap in heaps.values())

    def _heap(self, lane: Lane, share: Share) -> _Heap:
        heaps = self._lanes.setdefault(lane, {})
        heap = heaps.get(share)
        if heap is None:
            self._accounts.enter(lane, share, among=heaps)
            heap = heaps[share] = []
        return heap


def _way(node: Node) -> float:
    return max(node.chain, node.seconds)


def _settle(heap: _Heap) -> bool:
    """Drop stale entries from the front; say whether any is left."""
    while heap:
        _, node = heap[0]
        if node.queued and node.build.state in RUNNABLE:
            return True
        heappop(heap)
    return False

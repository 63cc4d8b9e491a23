"""Bringing inputs to builders that are elsewhere: a stage of its own, which holds no slot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Final

import anyio
import anyio.abc
import attrs
from anyio import TaskHandle

from ekaci_core.api import BuildInterrupted
from ekaci_core.scheduler.attempt import Attempts
from ekaci_core.scheduler.node import RUNNABLE, Node, Rank
from ekaci_core.scheduler.placement import Lane, Placement
from ekaci_core.store.contract import DerivationId, Store

_ROUNDS: Final = 5


@attrs.define(eq=False)
class Copies:
    """Derivations on their way to a builder, or there and waiting for a slot.

    A builder is given as many ahead as it has slots. One that cannot be brought the inputs is left out for this
    derivation; when all have been that have slots at all, all are asked again after a while, longer each time. In the
    end it waits for those that have none now, and is given up where there are no such.
    """

    _store: Store
    _placement: Placement
    _attempts: Attempts
    _requeue: Callable[[Node], None]
    _unreachable: Callable[[Node, str], None]
    _due: Callable[[], None]
    _pause_seconds: float
    _under_way: dict[int, TaskHandle[None]] = attrs.field(factory=dict, init=False)
    _there: dict[int, list[tuple[Rank, Node]]] = attrs.field(factory=dict, init=False)
    _whole_lanes: dict[int, Lane] = attrs.field(factory=dict, init=False)
    _rounds: dict[int, int] = attrs.field(factory=dict, init=False)

    def __bool__(self) -> bool:
        return bool(self._under_way) or any(self._there.values())

    @property
    def waiting(self) -> bool:
        """Whether anything waits for a slot, there where it was brought."""
        return any(self._there.values())

    def begin(self, tasks: anyio.abc.TaskGroup, node: Node, at: int) -> None:
        """Bring to builder ``at`` what a derivation needs."""
        self._placement.reserve(at)
        self._under_way[node.key] = tasks.create_task(self._bring(node, at), name=f"copy for {node.build.drv.name}")

    def stop(self) -> None:
        """End all copying, and forget what waits."""
        for handle in self._under_way.values():
            handle.cancel()
        for at, waiting in self._there.items():
            for _ in waiting:
                self._placement.unreserve(at)
            waiting.clear()

    def cancel(self, key: int) -> None:
        """End the copying for one derivation, if there is any."""
        if key in self._under_way:
            self._under_way[key].cancel()

    def ready(self) -> Iterator[tuple[Node, int]]:
        """Yield what may start now; the caller takes the slot before it goes on.

        What waits for a builder that has no slots any more is queued again.
        """
        for at, waiting in self._there.items():
            if waiting and not self._placement.slots(at) > 0:
                self._send_away(at, waiting)
            while waiting and self._placement.has_slot(at, waiting[0][1].lane):
                _, node = heappop(waiting)
                self._placement.unreserve(at)
                if node.build.state in RUNNABLE:  # else it was given up meanwhile
                    yield node, at

    def avoid(self, node: Node, at: int) -> Lane:
        """Have a derivation go to another builder the next time, if one has slots; return those not tried yet."""
        whole = self._whole_lanes.setdefault(node.key, node.lane)
        rest = node.lane.without(at)
        node.lane = rest if self._placement.answers(rest) else whole
        return rest

    def others(self, node: Node, at: int) -> Lane:
        """Say which other builders can take a derivation, whatever was tried before."""
        return self._whole_lanes.get(node.key, node.lane).without(at)

    def _send_away(self, at: int, waiting: list[tuple[Rank, Node]]) -> None:
        nodes = [node for _, node in waiting]
        waiting.clear()
        for node in nodes:
            self._placement.unreserve(at)
            self._requeue(node)

    async def _bring(self, node: Node, at: int) -> None:
        reserved = True
        try:
            key = DerivationId(node.key)
            record = (await self._store.derivations([key]))[key]
            failure = await self._attempts.prepare(record, self._placement.offers[at])
            reserved = False
            if failure is None:
                heappush(self._there.setdefault(at, []), (node.rank, node))
            else:
                self._placement.unreserve(at)
                await self._elsewhere(node, at, failure)
        finally:
            del self._under_way[node.key]
            if reserved:
                self._placement.unreserve(at)
            self._due()

    async def _elsewhere(self, node: Node, at: int, failure: BuildInterrupted) -> None:
        rest = self.avoid(node, at)
        if not self._placement.answers(rest):
            rounds = self._rounds[node.key] = self._rounds.get(node.key, 0) + 1
            if rounds < _ROUNDS:
                await anyio.sleep(self._pause_seconds * 2 ** (rounds - 1))
            elif rest:
                node.lane = rest
            else:
                self._unreachable(node, f"{self._placement.offers[at].builder.name}: {failure.reason}")
                return
        self._requeue(node)

"""What is unfinished in the database, whoever queued it, in the order in which it would start."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from ekaci_core.model.build import Build, BuildState, Succeeded
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import System
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.durations import asked, expected_seconds
from ekaci_core.scheduler.effects import Effects, at_once
from ekaci_core.scheduler.node import RUNNABLE, Node
from ekaci_core.scheduler.placement import Lane, Placement
from ekaci_core.scheduler.ready_queue import ReadyQueue
from ekaci_core.scheduler.waiting import Wait
from ekaci_core.scheduler.walks import lengthening
from ekaci_core.store.contract import DerivationId, Store

_CHUNK: Final = 2000
_ANY: Final = Lane((0,))


@attrs.frozen
class Unfinished:
    """A derivation that is in no terminal state. ``inputs`` counts what it needs directly."""

    key: int
    build: Build
    system: System
    fixed_output: bool
    inputs: int

    @property
    def kind(self) -> str:
        """The kind of slot that it waits for."""
        return "fixed-output derivations" if self.fixed_output else str(self.system)


@attrs.frozen
class Outlook:
    """All that is unfinished, as a graph that the scheduler's own rules can be tried out on.

    Who wants something, and how much, is known only to the process that builds it: here all are wanted alike.
    """

    graph: BuildGraph
    unfinished: Mapping[int, Unfinished]
    _placement: Placement | None

    @classmethod
    async def of(cls, store: Store, placement: Placement | None = None) -> Outlook:
        """Read it.

        Args:
            store: where it stands.
            placement: the builders that there are; without, something is thought to take everything.

        Raises:
            InfrastructureFault: the store failed.
        """
        builds = await store.unfinished_builds()
        keys = sorted(builds)
        key_of = {build.drv: key for key, build in builds.items()}
        unfinished, nodes = {}, []
        for start in range(0, len(keys), _CHUNK):
            some = keys[start : start + _CHUNK]
            records = await store.derivations(some)
            learnt = await store.durations(asked(records.values()))
            for key in some:
                record = records[key]
                unfinished[int(key)] = _unfinished(key, builds[key], record)
                node = _node(key, builds[key], record, placement)
                node.inputs = array("I", sorted(key_of[each] for each in record.inputs if each in key_of))
                node.seconds = expected_seconds(learnt, record)
                nodes.append(node)
        graph = BuildGraph()
        graph.add(nodes, {build.drv: build for build in builds.values()}, {})
        at_once(lengthening(graph, keys, Effects()))
        return cls(graph, unfinished, placement)

    def waits(self) -> Iterator[tuple[Unfinished, Wait]]:
        """Say of each what keeps it, in the order of starting. What builds goes first, what cannot start last.

        Slots and time are left out: what could start now goes before all that waits for it. May be called once, as
        the graph is played through.
        """
        missing = {key: self.graph.missing(key) for key in self.graph.nodes}
        among = Counter(
            each.kind for each in self.unfinished.values() if each.build.state in RUNNABLE and self._lane(each.key)
        )
        seen: Counter[str] = Counter()
        for key in self._order():
            each = self.unfinished[key]
            state = each.build.state
            position = None
            if state in RUNNABLE and self._lane(key):
                seen[each.kind] += 1
                position = seen[each.kind]
            yield (
                each,
                Wait(
                    state=state,
                    inputs=each.inputs,
                    missing=missing[key],
                    position=position,
                    among=among[each.kind],
                    kind=each.kind,
                    obstacle=self.graph.nodes[key].obstacle,
                    blockers=each.build.blockers,
                ),
            )

    def _lane(self, key: int) -> bool:
        return bool(self.graph.nodes[key].lane)

    def _order(self) -> Iterator[int]:
        graph = self.graph
        wave = [node for key, node in graph.nodes.items() if self.unfinished[key].build.state is BuildState.BUILDING]
        told = {node.key for node in wave}
        yield from (node.key for node in wave)
        queue, placement = ReadyQueue(), self._placement or Placement([])
        runnable = [node for node in graph.nodes.values() if node.build.state in RUNNABLE and node.lane]
        while wave or runnable:
            for node in runnable:
                queue.push(node)
            while (following := queue.pop(placement)) is not None:
                wave.append(following)
                told.add(following.key)
                yield following.key
            runnable = []
            for node in wave:
                runnable += graph.apply(node, Succeeded(), "").ready
            wave = []
        rest = [node for node in graph.nodes.values() if node.key not in told]
        for node in sorted(rest, key=lambda each: each.rank):
            yield node.key


def _unfinished(key: DerivationId, build: Build, record: DerivationRecord) -> Unfinished:
    fixed_output = any(output.is_fixed for output in record.outputs)
    return Unfinished(int(key), build, record.system, fixed_output, len(record.inputs))


def _node(key: DerivationId, build: Build, record: DerivationRecord, placement: Placement | None) -> Node:
    if placement is None:
        return Node(key=int(key), build=build, lane=_ANY)
    lane = placement.lane_of(record)
    obstacle = "" if lane else placement.why_none(record.system, record.features)
    return Node(key=int(key), build=build, lane=lane, obstacle=obstacle)

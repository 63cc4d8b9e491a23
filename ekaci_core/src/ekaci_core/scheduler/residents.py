"""Which derivations of a run are in memory: brings in what is needed, and sends away what has not been for longest."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final
from weakref import WeakValueDictionary

import anyio

from ekaci_core.api import Clock, Logger
from ekaci_core.model.build import Build
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.effects import Effects, Inputs, NeedInputs, Walk
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.scheduler.graph_metrics import GraphMetrics
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.recency import Recency
from ekaci_core.scheduler.walks import AT_ONCE, culprits
from ekaci_core.store.contract import DerivationId, Store

SWEEP_SECONDS: Final = 60.0
"""How often is looked for what is older than its tier allows."""

_SWEEPS_A_STATUS: Final = 5

_ELEVATED: Final = 0.8
_HIGH: Final = 0.9

# As measured: a node with its name and its state, and what the residue keeps of a derivation with five inputs.
_NODE_BYTES: Final = 650
_ROW_BYTES: Final = 58


class Residents:
    """The door to derivations that need not be in memory.

    Without a capacity all stay there; with one, nothing here costs anything before it is reached.
    """

    def __init__(  # noqa: PLR0917 - each is another kind of thing
        self,
        store: Store,
        graph: BuildGraph,
        placement: Placement,
        ledger: Ledger,
        limits: GraphLimits,
        clock: Clock,
        metrics: GraphMetrics,
        log: Logger,
    ) -> None:
        """Look after an empty ``graph``."""
        self._store = store
        self._graph = graph
        self._placement = placement
        self._ledger = ledger
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._log = log
        self._recency: Recency | None = None
        # Somebody may still hold what left memory: it must be the same when it comes back.
        self._gone: WeakValueDictionary[int, Node] = WeakValueDictionary()

    async def find(self, drvs: Collection[DrvPath]) -> dict[DrvPath, Node]:
        """Bring those in that the run has, few at a time.

        Raises:
            InfrastructureFault: the store failed.
        """
        ids = await self._store.derivation_ids(drvs)
        await self.bring_in([int(key) for key in ids.values() if key in self._graph])
        nodes = self._graph.nodes
        return {drv: nodes[key] for drv, key in ids.items() if key in nodes}

    async def bring_in(self, keys: Sequence[int]) -> None:
        """Have these in memory, until something is awaited again.

        Raises:
            InfrastructureFault: the store failed.
        """
        nodes = self._graph.nodes
        absent = [key for key in keys if key not in nodes]
        self._metrics.hits += len(keys) - len(absent)
        while absent:
            await self._load([DerivationId(key) for key in absent], frozenset(keys))
            absent = [key for key in keys if key not in nodes]  # one may have left meanwhile
        if self._recency is not None:
            for key in keys:
                self._recency.touch(nodes[key])

    async def prepare(self, newcomers: Iterable[Node]) -> None:
        """Bring in what keeps inputs of newcomers from succeeding, so that they can be added.

        Raises:
            InfrastructureFault: the store failed.
        """
        graph = self._graph
        if len(graph.nodes) == len(graph):
            return
        rows = sorted({graph.residue.row(key) for node in newcomers for key in node.inputs if key in graph})
        while not graph.nodes.keys() >= set(needed := culprits(graph, rows)):
            await self.bring_in(needed)  # meanwhile another one may be given up

    async def expect(self, begun: Iterable[Node]) -> None:
        """Bring in what can start once these have succeeded, so that it takes part in the choice of the next one.

        Raises:
            InfrastructureFault: the store failed.
        """
        residue, nodes = self._graph.residue, self._graph.nodes
        if len(nodes) == len(residue):
            return
        keys = (
            residue.keys[row] for node in begun for row in residue.dependents(node.row) if residue.missing[row] == 1
        )
        for some in _parts([key for key in dict.fromkeys(keys) if key not in nodes]):
            await self.bring_in(some)

    async def complete(self, effects: Effects) -> None:
        """Bring in all that effects, which are recorded by now, say nothing of but the number.

        Raises:
            InfrastructureFault: the store failed.
        """
        for absent, there in ((effects.absent_ready, effects.ready), (effects.absent_ended, effects.ended)):
            keys = list(dict.fromkeys(absent))
            absent.clear()
            for some in _parts(keys):
                await self.bring_in(some)
                there.extend(self._graph.nodes[key] for key in some)
                self.make_room()

    async def follow(self, walk: Walk, effects: Effects) -> None:
        """Follow a walk whose effects these are. They are recorded before anything is waited for.

        Raises:
            InfrastructureFault: the store failed.
        """
        answer: Inputs | None = None
        try:
            while True:
                need = walk.send(answer) if answer is not None else next(walk)
                steps, effects.steps = effects.steps, []
                self.make_room(keep=need.keys)
                if steps:
                    await self._ledger.record(steps)
                if isinstance(need, NeedInputs):
                    answer = await self._inputs(need.keys)
                else:
                    await self.bring_in(need.keys)
                    answer = {}
        except StopIteration:
            self.make_room()

    def make_room(self, count: int = 0, keep: Collection[int] = ()) -> None:
        """Send away what has not been needed for longest, so that so many more fit in, as far as that can be.

        Args:
            count: how many.
            keep: the numbers of what is to stay.
        """
        capacity = self._limits.capacity
        if capacity is None or len(self._graph.nodes) + count <= capacity:
            return
        recency, passed_over = self._watched(), 0
        while len(self._graph.nodes) + count > capacity and (node := recency.oldest(passed_over)) is not None:
            if node.foreign or node.key in keep:  # what is foreign others may end at any time
                passed_over += 1
            else:
                self._send_away(node, recency)

    async def look_after(self, *, every_seconds: float = SWEEP_SECONDS) -> None:
        """Send away what is old, ``every_seconds``, and each fifth time tell the log how full it is, for ever."""
        if self._limits.capacity is None:
            return
        while True:
            for _ in range(_SWEEPS_A_STATUS):
                await anyio.sleep(every_seconds)
                self.sweep()
            self.tell()

    def sweep(self) -> None:
        """Send away what is older than its tier allows."""
        if self._limits.capacity is None:
            return
        recency = self._watched()
        for node in recency.outdated():
            if node.foreign:
                recency.touch(node)
            else:
                self._send_away(node, recency)

    def tell(self) -> None:
        """Tell the log how full it is; the words are those of the specification."""
        figures = self.metrics()
        percent = f"{figures.utilization:.1%}"
        taken = f"{figures.nodes}/{figures.capacity} nodes ({percent} utilized)"
        self._log.info(f"Cache status: {taken}, {figures.pinned} pinned")
        if figures.utilization >= _HIGH:
            advice = f"Consider increasing EKA_CI_GRAPH_LRU_CAPACITY (current: {figures.capacity})"
            self._log.warning(f"Cache utilization HIGH ({percent}): {advice}")
        elif figures.utilization >= _ELEVATED:
            self._log.warning(f"Cache utilization elevated ({percent}): Monitor for potential capacity issues")

    def metrics(self) -> GraphMetrics:
        """Return all figures, as they are now."""
        figures = self._metrics
        figures.states = Counter(node.build.state for node in self._graph.nodes.values())
        figures.total = len(self._graph)
        figures.capacity = self._limits.capacity or 0
        figures.memory_bytes = figures.nodes * _NODE_BYTES + figures.total * _ROW_BYTES
        if self._limits.capacity is not None:
            recency = self._watched()
            figures.pinned, figures.candidates = recency.pinned, recency.candidates()
        return figures

    def _watched(self) -> Recency:
        """Begin to watch which derivations may leave, where that was not needed before."""
        if self._recency is None:
            graph = self._graph
            self._recency = Recency(graph.residue, graph.nodes, self._limits, self._clock.monotonic)
            graph.watcher = self._recency
        return self._recency

    def _send_away(self, node: Node, recency: Recency) -> None:
        recency.left(node)
        del self._graph.nodes[node.key]
        self._gone[node.key] = node
        self._metrics.evictions[node.build.state] += 1

    async def _load(self, keys: Sequence[DerivationId], keep: Collection[int]) -> None:
        began = self._clock.monotonic()
        found = await self._store.derivations_with_inputs(keys)
        keys = [key for key in keys if key not in self._graph.nodes]  # somebody else may have been faster
        self.make_room(len(keys), keep)
        for key in keys:
            node = self._gone.pop(key, None)
            if node is None:
                record = found[key].record
                lane = self._placement.lane_of(record)
                obstacle = "" if lane else self._placement.why_none(record.system, record.features)
                node = Node(key, Build(record.path), lane, obstacle)
                node.below = array("I", self._before(key, found[key].inputs))
            self._graph.attach(node)
        seconds = self._clock.monotonic() - began
        self._metrics.reloaded(len(keys), seconds)
        self._log.debug("Cache miss: reloading", derivations=len(keys), seconds=round(seconds, 4))

    async def _inputs(self, keys: Collection[int]) -> dict[int, list[int]]:
        """Read the rows of those inputs that were in the run when what needs them came, by row."""
        residue = self._graph.residue
        found = await self._store.inputs([DerivationId(key) for key in keys])
        return {residue.row(key): self._before(key, inputs) for key, inputs in found.items()}

    def _before(self, key: int, inputs: Iterable[int]) -> list[int]:
        """Return the rows of inputs, but not of what was not to be built when the derivation came."""
        residue, row = self._graph.residue, self._graph.residue.row(key)
        return [below for each in inputs if each in residue and (below := residue.row(each)) < row]


def _parts(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))

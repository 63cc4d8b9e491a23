"""Which derivations of a run leave memory first: pure, the time is handed in."""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import Final

from ekaci_core.model.build import BuildState
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.scheduler.node import ACTIVE, Node
from ekaci_core.scheduler.residue import Residue


class Tier(enum.Enum):
    """What can leave memory, in the order in which it does. The values are labels of metrics."""

    TRANSITIVE_FAILURE = "tier1_transitive_failure"
    COMPLETED_FAILURE = "tier2_completed_failure"
    COMPLETED_SUCCESS = "tier3_completed_success"
    WAITING = "waiting"

    @classmethod
    def of(cls, state: BuildState) -> Tier:
        """Say where a state belongs."""
        if state is BuildState.SUCCESS:
            return cls.COMPLETED_SUCCESS
        if state is BuildState.TRANSITIVE_FAILURE:
            return cls.TRANSITIVE_FAILURE
        return cls.COMPLETED_FAILURE if state.is_terminal else cls.WAITING


# Looked up by number for each transition: a set of states, or a dictionary, would take thrice the time.
_ACTIVE: Final = bytes(each in {int(state) for state in ACTIVE} for each in range(max(BuildState) + 1))


class Recency:
    """Keeps those in memory that may leave it in the order of when they were last seen.

    What may start or builds is pinned, and so are its direct neighbours: they are in no tier. Each costs what it
    touches: a derivation that becomes active, or ceases to be, its direct neighbours.
    """

    def __init__(
        self, residue: Residue, nodes: Mapping[int, Node], limits: GraphLimits, now: Callable[[], float]
    ) -> None:
        """Watch those ``nodes`` of a graph that are in memory."""
        self._residue = residue
        self._nodes = nodes
        self._ages = {
            Tier.TRANSITIVE_FAILURE: limits.tier1_age_seconds,
            Tier.COMPLETED_FAILURE: limits.tier2_age_seconds,
            Tier.COMPLETED_SUCCESS: limits.tier3_age_seconds,
        }
        self._now = now
        self._tiers: dict[Tier, OrderedDict[int, float]] = {tier: OrderedDict() for tier in Tier}
        tier_of = {int(state): self._tiers[Tier.of(state)] for state in BuildState}
        self._tier_of = [tier_of.get(each, OrderedDict()) for each in range(max(BuildState) + 1)]
        self._active: set[int] = set()
        self._pins: dict[int, int] = {}
        for node in nodes.values():
            if _ACTIVE[node.build.state]:
                self._activate(node)
        for node in nodes.values():
            self.touch(node)

    @property
    def pinned(self) -> int:
        """How many are in memory and stay there."""
        return len(self._nodes) - sum(map(len, self._tiers.values()))

    def candidates(self) -> dict[Tier, int]:
        """Count what may leave."""
        return {tier: len(rows) for tier, rows in self._tiers.items()}

    def came(self, node: Node, *, new: bool) -> None:
        """See `Watcher`."""
        if new and (pins := sum(row in self._active for row in node.below)):
            self._pins[node.row] = pins  # what is active did not count it among its neighbours when it became so
        if _ACTIVE[node.build.state]:
            self._activate(node)
        self.touch(node)

    def moved(self, node: Node, before: BuildState) -> None:
        """See `Watcher`."""
        was, now = _ACTIVE[before], _ACTIVE[node.build.state]
        if was and now:
            return
        self._tier_of[before].pop(node.row, None)
        if now:
            self._activate(node)
        else:
            if was:
                self._deactivate(node)
            self.touch(node)

    def touch(self, node: Node) -> None:
        """Note that it was seen."""
        row = node.row
        if row not in self._active and row not in self._pins:
            tier = self._tier_of[node.build.state]
            tier[row] = self._now()
            tier.move_to_end(row)

    def oldest(self, passed_over: int = 0) -> Node | None:
        """Return what leaves first where room is needed and so many must stay; None if all others are pinned."""
        row = next(islice(chain.from_iterable(self._tiers.values()), passed_over, None), None)
        return None if row is None else self._node(row)

    def outdated(self) -> Iterator[Node]:
        """Iterate over what is older than its tier allows; the caller takes it out before it goes on."""
        for tier, age in self._ages.items():
            rows, until = self._tiers[tier], self._now() - age
            while rows and rows[(row := next(iter(rows)))] < until:
                yield self._node(row)

    def left(self, node: Node) -> None:
        """Note that one left memory, which must not be pinned."""
        del self._tier_of[node.build.state][node.row]

    def _node(self, row: int) -> Node:
        return self._nodes[self._residue.keys[row]]

    def _activate(self, node: Node) -> None:
        pins, keys, nodes, tiers = self._pins, self._residue.keys, self._nodes, self._tier_of
        self._active.add(node.row)
        for row in chain(node.below, self._residue.dependents(node.row)):
            count = pins.get(row, 0)
            pins[row] = count + 1
            if not count and (there := nodes.get(keys[row])) is not None:
                tiers[there.build.state].pop(row, None)

    def _deactivate(self, node: Node) -> None:
        pins, keys, nodes = self._pins, self._residue.keys, self._nodes
        self._active.remove(node.row)
        for row in chain(node.below, self._residue.dependents(node.row)):
            count = pins[row] - 1
            if count:
                pins[row] = count
                continue
            del pins[row]
            if (there := nodes.get(keys[row])) is not None:
                self.touch(there)

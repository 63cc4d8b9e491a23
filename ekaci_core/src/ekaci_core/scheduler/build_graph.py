"""The derivations of a run and what follows from each event: pure, so that tests can walk it without a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Final

import attrs

from ekaci_core.model.build import (
    Build,
    BuildEvent,
    BuildState,
    DependencyFailed,
    DependencyInterrupted,
    DependencyRecovered,
    InputsReady,
    Interrupted,
    NoBuilder,
    Requeued,
    advance,
)
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.node import FAILED, RUNNABLE, UNWANTED, Node
from ekaci_core.scheduler.wishes import Share

_NOBODYS: Final = Share()


@attrs.frozen
class Step:
    """A transition to record: the state after it, and why; ``key`` is the derivation's number where it is at hand."""

    build: Build
    cause: str
    key: int | None = None


@attrs.define
class Effects:
    """What an event brought about.

    Attributes:
        steps: transitions, in the order in which they are to be recorded.
        ready: what may start, or moves forward in the queue, once the steps are recorded.
        ended: wanted derivations that came to a terminal state.
        stopped: what is being built and nobody wants any more.
    """

    steps: list[Step] = attrs.field(factory=list)
    ready: list[Node] = attrs.field(factory=list)
    ended: list[Node] = attrs.field(factory=list)
    stopped: list[Node] = attrs.field(factory=list)


class BuildGraph:
    """Derivations that must be built, by their numbers in the store.

    Every change costs what it touches: a success its direct dependents, a failure or an interruption all that need
    it, a wish all that it needs.
    """

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self._by_drv: dict[DrvPath, Node] = {}
        self._roots: dict[Share, set[int]] = {}
        self.counts: Counter[BuildState] = Counter()

    def __contains__(self, key: int) -> bool:
        return key in self.nodes

    def find(self, drv: DrvPath) -> Node | None:
        """Return the node of a derivation, None if it is not in the run."""
        return self._by_drv.get(drv)

    def add(self, nodes: Iterable[Node], stored: Mapping[DrvPath, Build], causes: Mapping[int, str]) -> Effects:
        """Take in new nodes, ascending, whose inputs are in the graph or come before them in ``nodes``.

        Call `lengthen` when all are in.

        Args:
            nodes: the newcomers; ``build`` is the state to begin with.
            stored: what the store says of them; where the outcome is the same nothing is recorded.
            causes: why those begin anew which the store knows in another state, by key.
        """
        newcomers = list(nodes)
        effects = Effects()
        for node in newcomers:
            self._link(node)
            if not node.lane and node.build.state is BuildState.QUEUED:
                node.build = advance(node.build, NoBuilder())
        for node in newcomers:
            before, mine = node.build, Effects()
            if before.state is BuildState.UNSATISFIABLE and not node.lane:
                mine.steps.append(Step(before, node.obstacle, node.key))
            elif before != stored.get(before.drv) and not node.foreign:
                mine.steps.append(Step(before, causes.get(node.key, "wanted"), node.key))
            self.counts[before.state] += 1
            self._refresh(node, mine)
            if node.build != stored.get(node.build.drv):
                effects.steps += mine.steps
            effects.ready += mine.ready
        return effects

    def lengthen(self, newcomers: Iterable[int], effects: Effects) -> None:
        """Measure the ways of newcomers, and lengthen those of the nodes below them."""
        heap = [-key for key in newcomers]  # dependents go first
        heapify(heap)
        pending = set(heap)
        while heap:
            least = heappop(heap)
            pending.discard(least)
            node = self.nodes[-least]
            node.chain = max(node.chain, node.seconds)
            for key in node.inputs:
                below = self.nodes[key]
                if below.chain < node.chain + below.seconds:
                    below.chain = node.chain + below.seconds
                    if below.queued:
                        effects.ready.append(below)
                    if -key not in pending:
                        pending.add(-key)
                        heappush(heap, -key)

    def want(self, key: int, priority: int, share: Share = _NOBODYS, effects: Effects | None = None) -> Effects:
        """Note that somebody wants this node; what was given up of it and its inputs is queued again."""
        node = self.nodes[key]
        node.wanted = True
        self._roots.setdefault(share, set()).add(key)
        effects = Effects() if effects is None else effects
        known = len(effects.ended)
        for each in self._given_up(node):
            self.apply(each, Requeued(forget_failures=False), "wanted again", effects)
        self._raise(node, priority, share, effects)
        if node.build.state.is_terminal and node not in effects.ended[known:]:
            effects.ended.append(node)
        return effects

    def withdraw(self, share: Share, cause: str) -> Effects:
        """Forget what a share wants; cancel what nobody else wants and has not begun, and say what is being built."""
        effects = Effects()
        roots = self._roots.pop(share, set())
        for key in roots:
            self.nodes[key].wanted = any(key in others for others in self._roots.values())
        orphans = []
        for node in self._below(roots, share):
            node.shares = tuple(each for each in node.shares if each != share)
            if not node.shares:
                node.priority = UNWANTED
                orphans.append(node)
        for node in sorted(orphans, key=lambda each: each.key):
            if node.build.state is BuildState.BUILDING:
                effects.stopped.append(node)
            elif node.build.state in RUNNABLE or node.build.state is BuildState.QUEUED:
                self._advance(node, Interrupted(BuildState.CANCELLED), cause, effects)
        return effects

    def _below(self, roots: Iterable[int], share: Share) -> list[Node]:
        """Those of a share, from its roots down."""
        found: dict[int, Node] = {}
        pending = list(roots)
        while pending:
            key = pending.pop()
            node = self.nodes[key]
            if key not in found and share in node.shares:
                found[key] = node
                pending.extend(node.inputs)
        return list(found.values())

    def apply(self, node: Node, event: BuildEvent, cause: str, effects: Effects | None = None) -> Effects:
        """Let an event happen to a node and follow it to all it touches.

        Raises:
            IllegalTransition: it cannot happen now.
        """
        effects = Effects() if effects is None else effects
        before = node.build.state
        self._advance(node, event, cause, effects)
        self._follow(node, before, effects)
        return effects

    def adopt(self, node: Node, build: Build) -> Effects:
        """Take over the state that another worker recorded, and follow it to all it touches."""
        effects = Effects()
        before = node.build.state
        node.foreign = False
        self._become(node, build, effects)
        self._follow(node, before, effects)
        return effects

    def again(self, node: Node, cause: str, unwanted: str) -> Effects:
        """Queue a node anew that failed or was interrupted, with all its attempts.

        What waited for it waits for nothing any more; where nobody wants that it is cancelled, because of ``unwanted``.
        """
        effects = self.apply(node, Requeued(), cause)
        for step in tuple(effects.steps):
            each = self._by_drv[step.build.drv]
            waits = each.build.state in RUNNABLE or each.build.state is BuildState.QUEUED
            if each is not node and not each.shares and waits:
                self._advance(each, Interrupted(BuildState.CANCELLED), unwanted, effects)
        return effects

    def give_up(self, cause: str) -> Effects:
        """Cancel all that has not started."""
        effects = Effects()
        for key in sorted(self.nodes):
            node = self.nodes[key]
            if node.build.state in RUNNABLE or node.build.state is BuildState.QUEUED:
                self._advance(node, Interrupted(BuildState.CANCELLED), cause, effects)
            elif node.build.state is BuildState.BLOCKED:
                self._inherit(node, effects)
        return effects

    def _link(self, node: Node) -> None:
        self.nodes[node.key] = node
        self._by_drv[node.build.drv] = node
        for each in node.inputs:
            below = self.nodes[each]
            below.dependents.append(node.key)
            node.missing += below.build.state is not BuildState.SUCCESS

    def _advance(self, node: Node, event: BuildEvent, cause: str, effects: Effects) -> None:
        build = advance(node.build, event)
        if build is not node.build:
            if not node.foreign:
                effects.steps.append(Step(build, cause, node.key))
            self._become(node, build, effects)

    def _become(self, node: Node, build: Build, effects: Effects) -> None:
        changed = build.state is not node.build.state
        self.counts[node.build.state] -= 1
        self.counts[build.state] += 1
        node.build = build
        if build.state in RUNNABLE:
            effects.ready.append(node)
        if changed and node.wanted and build.state.is_terminal:
            effects.ended.append(node)

    def _follow(self, node: Node, before: BuildState, effects: Effects) -> None:
        after = node.build.state
        if before is after:
            return
        if after is BuildState.QUEUED:
            self._refresh(node, effects)  # first, so that what needs it sees where it ends up
        if before in FAILED or before.is_interruption:
            self._recovered(node, effects)
        if after is BuildState.SUCCESS:
            self._succeeded(node, effects)
        elif before is BuildState.SUCCESS:
            for each in node.dependents:
                self.nodes[each].missing += 1
        if after in FAILED:
            self._spread(node, DependencyFailed(node.build.drv), effects)
        elif after.is_interruption:
            self._spread(node, DependencyInterrupted(node.build.drv), effects)

    def _refresh(self, node: Node, effects: Effects) -> None:
        """Bring a queued node to where its direct inputs put it."""
        if node.build.state is BuildState.QUEUED:
            self._inherit(node, effects)
            if node.missing == 0:
                self._advance(node, InputsReady(), "its inputs are there", effects)

    def _inherit(self, node: Node, effects: Effects) -> None:
        """Pass on what keeps its direct inputs from succeeding."""
        for each in node.inputs:
            below = self.nodes[each].build
            if below.state in FAILED:
                self._advance(node, DependencyFailed(below.drv), _after(below.drv), effects)
            elif below.state.is_interruption:
                self._advance(node, DependencyInterrupted(below.drv), _after(below.drv), effects)
            event = DependencyFailed if below.state is BuildState.TRANSITIVE_FAILURE else DependencyInterrupted
            for blocker in sorted(below.blockers):
                self._advance(node, event(blocker), _after(blocker), effects)

    def _succeeded(self, node: Node, effects: Effects) -> None:
        for each in node.dependents:
            above = self.nodes[each]
            above.missing -= 1
            if above.missing == 0 and above.build.state is BuildState.QUEUED:
                self._advance(above, InputsReady(), "its inputs are there", effects)

    def _spread(self, node: Node, event: DependencyFailed | DependencyInterrupted, effects: Effects) -> None:
        for above in self._all_dependents(node, beyond_interrupted=isinstance(event, DependencyFailed)):
            self._advance(above, event, _after(node.build.drv), effects)

    def _recovered(self, node: Node, effects: Effects) -> None:
        drv = node.build.drv
        for above in self._all_dependents(node):
            if drv in above.build.blockers:
                self._advance(above, DependencyRecovered(drv), f"{drv.name} is tried again", effects)
                self._refresh(above, effects)

    def _all_dependents(self, node: Node, *, beyond_interrupted: bool = True) -> list[Node]:
        """All that its end reaches, inputs first.

        A dependent that failed by itself speaks for all that need it. One that was interrupted does so only for
        another interruption: a failure makes it a transitive failure.
        """
        found: dict[int, Node] = {}
        pending = list(node.dependents)
        while pending:
            key = pending.pop()
            above = self.nodes[key]
            if key not in found and above.build.state is not BuildState.SUCCESS:
                found[key] = above
                speaks = above.build.state in FAILED or (above.build.state.is_interruption and not beyond_interrupted)
                if not speaks:
                    pending.extend(above.dependents)
        return [found[key] for key in sorted(found)]

    def _given_up(self, node: Node) -> list[Node]:
        """The node and those of its inputs that were cancelled, inputs first."""
        found: dict[int, Node] = {}
        pending = [node.key]
        while pending:
            key = pending.pop()
            below = self.nodes[key]
            if key not in found and below.build.state in (BuildState.CANCELLED, BuildState.BLOCKED):
                found[key] = below
                pending.extend(below.inputs)
        return [found[key] for key in sorted(found) if found[key].build.state is BuildState.CANCELLED]

    def _raise(self, node: Node, priority: int, share: Share, effects: Effects) -> None:
        alone = (share,)  # one tuple for all that nobody else wants
        pending = [node.key]
        while pending:
            below = self.nodes[pending.pop()]
            if below.priority >= priority and share in below.shares:
                continue
            below.priority = max(below.priority, priority)
            if share not in below.shares:
                below.shares = (*below.shares, share) if below.shares else alone
            pending.extend(below.inputs)
            if below.queued:
                effects.ready.append(below)


def _after(drv: DrvPath) -> str:
    return f"because of {drv.name}"

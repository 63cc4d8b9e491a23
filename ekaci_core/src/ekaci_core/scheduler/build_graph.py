"""The derivations of a run and what follows from each event: pure, so that tests can walk it without a clock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from ekaci_core.model.build import (
    Build,
    BuildEvent,
    BuildState,
    DependencyFailed,
    DependencyInterrupted,
    DependencyRecovered,
    InputsReady,
    NoBuilder,
    advance,
)
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.effects import Effects, Step
from ekaci_core.scheduler.node import FAILED, RUNNABLE, Node
from ekaci_core.scheduler.residue import Residue
from ekaci_core.scheduler.spreading import Spread, reached
from ekaci_core.scheduler.wishes import Share

_QUEUED: Final = BuildState.QUEUED
_SUCCESS: Final = BuildState.SUCCESS


class Watcher(Protocol):
    """Follows which derivations are in memory, and in which states."""

    def came(self, node: Node, *, new: bool) -> None:
        """One came into memory, its row in the residue; ``new`` ones have never been there."""
        ...

    def moved(self, node: Node, before: BuildState) -> None:
        """One that is in memory changed its state."""
        ...


class BuildGraph:
    """Derivations that must be built. Those in memory are in ``nodes``, by their numbers in the store.

    ``roots`` are the rows that somebody asked for, by share; ``due`` those whose inputs are all there and which are yet
    to become buildable, because very many did at once; ``spreads`` the failures and interruptions that have yet to
    reach some of very many.

    Every change costs what it touches: a success its direct dependents, a failure or an interruption all that need
    it. What it touches need not be in memory.
    """

    def __init__(self, watcher: Watcher | None = None) -> None:
        self.nodes: dict[int, Node] = {}
        self.residue = Residue()
        self.counts: Counter[BuildState] = Counter()
        self.roots: dict[Share, set[int]] = {}
        self.failed: set[DrvPath] = set()
        self.due: list[int] = []
        self.spreads: deque[Spread] = deque()
        self.watcher = watcher

    def __contains__(self, key: int) -> bool:
        return key in self.residue

    def __len__(self) -> int:
        return len(self.residue)

    def missing(self, key: int) -> int:
        """Count its inputs that have not succeeded."""
        return self.residue.missing[self.residue.row(key)]

    def inputs(self, key: int) -> list[int]:
        """Return the numbers of what one needs directly that is in memory."""
        return [self.residue.keys[row] for row in self.nodes[key].below]

    def dependents(self, key: int) -> list[int]:
        """Return the numbers of those of the run that need it directly."""
        keys = self.residue.keys
        return [keys[row] for row in self.residue.dependents(self.residue.row(key))]

    def add(self, nodes: Iterable[Node], stored: Mapping[DrvPath, Build], causes: Mapping[int, str]) -> Effects:
        """Take in new nodes, ascending, whose inputs are in the graph or come before them in ``nodes``.

        Those inputs that failed or were interrupted must be in memory. `lengthening` is due when all are in.

        Args:
            nodes: the newcomers; ``build`` is the state to begin with.
            stored: what the store says of them; where the outcome is the same nothing is recorded.
            causes: why those begin anew which the store knows in another state, by key.
        """
        newcomers = list(nodes)
        effects = Effects()
        for node in newcomers:
            if not node.lane and node.build.state is _QUEUED:
                node.build = advance(node.build, NoBuilder())
            self.residue.append(node)
            node.seconds = self.residue.seconds[node.row]
            self.nodes[node.key] = node
            if self.watcher is not None:
                self.watcher.came(node, new=True)
            if node.build.state is BuildState.FAILURE:
                self.failed.add(node.build.drv)
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

    def attach(self, node: Node) -> None:
        """Take one into memory again; what the residue has of it is brought up to date."""
        residue, row = self.residue, self.residue.row(node.key)
        node.row, known = row, residue.build(row)
        node.build = Build(node.build.drv, known.state, known.failures, known.blockers)
        node.priority, node.shares = residue.standings[residue.standing(row)]
        node.seconds, node.chain = residue.seconds[row], residue.chains[row]
        self.nodes[node.key] = node
        if self.watcher is not None:
            self.watcher.came(node, new=False)

    def apply(self, node: Node, event: BuildEvent, cause: str, effects: Effects | None = None) -> Effects:
        """Let an event happen to a node and follow it to all it touches.

        Raises:
            IllegalTransition: it cannot happen now.
        """
        effects = Effects() if effects is None else effects
        before = node.build.state
        self.advance(node.row, event, cause, effects)
        self._follow(node, before, effects)
        return effects

    def next_due(self, most: int) -> Effects:
        """Begin the effects of a turn, of at most so many steps at once, with what is left of earlier ones."""
        effects = Effects(most=most)
        self.settle(effects)
        rows, self.due = self.due[:most], self.due[most:]
        for row in rows:
            self._release(row, effects)
        return effects

    def settle(self, effects: Effects) -> None:
        """Let failures and interruptions reach what is left, as far as the effects take it."""
        while self.spreads and self._reach(self.spreads[0], effects):
            self.spreads.popleft()

    def adopt(self, node: Node, build: Build) -> Effects:
        """Take over the state that another worker recorded, and follow it to all it touches."""
        effects = Effects()
        before = node.build.state
        node.foreign = False
        self._become(node.row, node, before, build, effects)
        self._follow(node, before, effects)
        return effects

    def advance(self, row: int, event: BuildEvent, cause: str, effects: Effects) -> None:
        """Let an event happen to one derivation, in memory or not, and to no other.

        Raises:
            IllegalTransition: it cannot happen now.
        """
        key = self.residue.keys[row]
        node = self.nodes.get(key)
        known = self.residue.build(row) if node is None else node.build
        build = advance(known, event)
        if build is not known:
            if build.blockers:
                shared = self.residue.blockers.shared(build.blockers)
                build = Build(build.drv, build.state, build.failures, shared)
            if node is None or not node.foreign:
                effects.steps.append(Step(build, cause, key))
            self._become(row, node, known.state, build, effects)

    def end(self, row: int, effects: Effects) -> None:
        """Note that a wanted derivation came to a terminal state."""
        node = self.nodes.get(self.residue.keys[row])
        if node is None:
            effects.absent_ended.append(self.residue.keys[row])
        elif node not in effects.ended[-1:]:
            effects.ended.append(node)

    def inherit(self, row: int, inputs: Iterable[int], effects: Effects) -> None:
        """Pass on what keeps direct inputs from succeeding; those that failed or were interrupted are in memory."""
        residue = self.residue
        for each in inputs:
            state = residue.state(each)
            if state in FAILED or state.is_interruption:
                drv = self.nodes[residue.keys[each]].build.drv
                direct = DependencyFailed(drv) if state in FAILED else DependencyInterrupted(drv)
                self.advance(row, direct, after(drv), effects)
            if blockers := residue.blockers[each]:
                event = DependencyFailed if state is BuildState.TRANSITIVE_FAILURE else DependencyInterrupted
                for blocker in sorted(blockers):
                    self.advance(row, event(blocker), after(blocker), effects)

    def _become(self, row: int, node: Node | None, before: BuildState, build: Build, effects: Effects) -> None:
        residue, state = self.residue, build.state
        self.counts[before] -= 1
        self.counts[state] += 1
        residue.put(row, build)
        if node is not None:
            node.build = build
            if before is not state and self.watcher is not None:
                self.watcher.moved(node, before)
            if state is BuildState.FAILURE:
                self.failed.add(build.drv)
        if state in RUNNABLE:
            if node is None:
                effects.absent_ready.append(residue.keys[row])
            else:
                effects.ready.append(node)
        if before is not state and state.is_terminal and residue.is_wanted(row):
            self.end(row, effects)

    def _follow(self, node: Node, before: BuildState, effects: Effects) -> None:
        after = node.build.state
        if before is after:
            return
        if after is _QUEUED:
            self._refresh(node, effects)  # first, so that what needs it sees where it ends up
        if before in FAILED or before.is_interruption:
            self.failed.discard(node.build.drv)
            self._recovered(node, effects)
        if after is _SUCCESS:
            self._succeeded(node, effects)
        elif before is _SUCCESS:
            missing = self.residue.missing
            for each in self.residue.dependents(node.row):
                missing[each] += 1
        if after in FAILED:
            self._spread(node, DependencyFailed(node.build.drv), effects)
        elif after.is_interruption:
            self._spread(node, DependencyInterrupted(node.build.drv), effects)

    def _refresh(self, node: Node, effects: Effects) -> None:
        """Bring a queued node to where its direct inputs put it."""
        if node.build.state is _QUEUED:
            if self.residue.missing[node.row]:
                self.inherit(node.row, node.below, effects)
            else:
                self.advance(node.row, InputsReady(), "its inputs are there", effects)

    def _succeeded(self, node: Node, effects: Effects) -> None:
        missing = self.residue.missing
        for each in self.residue.dependents(node.row):
            left = missing[each] = missing[each] - 1
            if left == 0:
                self._release(each, effects)

    def _release(self, row: int, effects: Effects) -> None:
        if self.residue.missing[row] or self.residue.states[row] != _QUEUED:
            return  # what was due may have been cancelled, or wait again
        if effects.is_full:
            self.due.append(row)
        else:
            self.advance(row, InputsReady(), "its inputs are there", effects)

    def _spread(self, node: Node, event: DependencyFailed | DependencyInterrupted, effects: Effects) -> None:
        rows = reached(self.residue, node.row, beyond_interrupted=isinstance(event, DependencyFailed))
        spread = Spread(node.build.drv, event, rows)
        if not self._reach(spread, effects):
            self.spreads.append(spread)

    def _reach(self, spread: Spread, effects: Effects) -> bool:
        """Go on with it, and say whether it has reached all."""
        cause = after(spread.drv)
        while not effects.is_long:
            row = next(spread.rows, None)
            if row is None:
                return True
            self.advance(row, spread.event, cause, effects)
        return False

    def _recovered(self, node: Node, effects: Effects) -> None:
        """Take a node from the blockers of all that need it, and pass on what blocks the node itself by now."""
        drv, residue = node.build.drv, self.residue
        self.spreads = deque(each for each in self.spreads if each.drv != drv)
        rows = list(reached(residue, node.row))
        among = self._inputs_among([node.row, *rows]) if node.build.blockers else {}
        for above in rows:
            if drv not in residue.blockers[above]:
                continue
            was = residue.state(above)
            self.advance(above, DependencyRecovered(drv), f"{drv.name} is tried again", effects)
            if was is BuildState.BLOCKED:
                self.inherit(above, among.get(above, ()), effects)
                self._look_for_others(above, effects)
            elif (there := self.nodes.get(residue.keys[above])) is not None:
                self._refresh(there, effects)  # failures hide interruptions
            elif residue.state(above) is _QUEUED:  # what failed is not tried again in the same run
                raise LookupError(f"{drv}: what needs it is not in memory")

    def _look_for_others(self, row: int, effects: Effects) -> None:
        """Pass on interruptions that were too many for all to be named, of those inputs that are in memory."""
        if self.residue.states[row] == _QUEUED and (node := self.nodes.get(self.residue.keys[row])) is not None:
            keys = self.residue.keys
            self.inherit(row, [each for each in node.below if keys[each] in self.nodes], effects)

    def _inputs_among(self, rows: Sequence[int]) -> dict[int, list[int]]:
        """Find those inputs of each of these that are among these."""
        found: dict[int, list[int]] = {row: [] for row in rows}
        for row in rows:
            for above in self.residue.dependents(row):
                if above in found:
                    found[above].append(row)
        return found


def after(drv: DrvPath) -> str:
    """Name the cause of what follows from another derivation."""
    return f"because of {drv.name}"

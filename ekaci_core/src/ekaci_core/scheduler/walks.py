"""Rules that go through many derivations of a run, most of which need not be in memory: pure, as the graph is."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

from ekaci_core.model.build import BuildState, Interrupted, Requeued
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.effects import Effects, Inputs, NeedInputs, NeedNodes, Walk
from ekaci_core.scheduler.node import FAILED, RUNNABLE
from ekaci_core.scheduler.spreading import reached
from ekaci_core.scheduler.wishes import Share

AT_ONCE: Final = 250
"""So many are asked for together."""

_NOBODYS: Final = Share()
_GIVEN_UP: Final = frozenset({BuildState.CANCELLED, BuildState.BLOCKED})
_UNSTARTED: Final = RUNNABLE | {BuildState.QUEUED}


def lengthening(graph: BuildGraph, newcomers: Collection[int], effects: Effects) -> Walk:
    """Measure the ways of newcomers, and lengthen those of the nodes below them."""
    if not newcomers:
        return
    rows = [graph.residue.row(key) for key in newcomers]
    # They came one after the other, so that nothing needs to be kept of each; dependents go first.
    first, last = min(rows), max(rows)
    del rows
    known: dict[int, Sequence[int]] = {}
    older: list[int] = []
    for row in range(last, first - 1, -1):
        if (inputs := known.pop(row, None)) is None and (inputs := inputs_here(graph, row)) is None:
            known.update((yield _need_inputs(graph, range(row, max(first - 1, row - AT_ONCE), -1))))
            inputs = known.pop(row)
        older += [each for each in _lengthen(graph, row, inputs, effects) if each < first]
    yield from _lengthen_older(graph, older, effects)


def _lengthen_older(graph: BuildGraph, rows: Iterable[int], effects: Effects) -> Walk:
    known: dict[int, Sequence[int]] = {}
    pending = set(rows)
    heap = sorted(-row for row in pending)
    while heap:
        row = -heappop(heap)
        pending.discard(row)
        if (inputs := known.pop(row, None)) is None and (inputs := inputs_here(graph, row)) is None:
            known.update((yield _need_inputs(graph, [row, *(-each for each in heap[: AT_ONCE - 1])])))
            inputs = known.pop(row)
        for each in _lengthen(graph, row, inputs, effects):
            if each not in pending:
                pending.add(each)
                heappush(heap, -each)


def _lengthen(graph: BuildGraph, row: int, inputs: Iterable[int], effects: Effects) -> list[int]:
    """Lengthen the ways of what a node needs; return those that have a longer one now."""
    chains, seconds, nodes, keys = graph.residue.chains, graph.residue.seconds, graph.nodes, graph.residue.keys
    chain = chains[row]
    if chain < seconds[row]:
        chain = chains[row] = seconds[row]
        if (node := nodes.get(keys[row])) is not None:
            node.chain = chain
    longer = []
    for each in inputs:
        before = chains[each]
        if before < chain + seconds[each]:
            chains[each] = chain + seconds[each]
            now = chains[each]  # as it was rounded
            if now > before:
                longer.append(each)
                if (below := nodes.get(keys[each])) is not None:
                    below.chain = now
                    if below.queued:
                        effects.ready.append(below)
    return longer


def wanting(
    graph: BuildGraph, key: int, priority: int, share: Share = _NOBODYS, effects: Effects | None = None
) -> Walk:
    """Note that somebody wants this node; what was given up of it and its inputs is queued again."""
    effects = Effects() if effects is None else effects
    residue, row = graph.residue, graph.residue.row(key)
    residue.want(row)
    graph.roots.setdefault(share, set()).add(row)
    known = len(effects.ended)
    given_up = yield from _given_up(graph, row)
    for some in _parts(given_up):
        yield from _need_nodes(graph, some)
        for each in some:
            yield from _need_culprits(graph, each)
            if residue.states[each] == BuildState.CANCELLED:
                node = graph.nodes[residue.keys[each]]
                graph.apply(node, Requeued(forget_failures=False), "wanted again", effects)
    yield from _raising(graph, row, priority, share, effects)
    if residue.state(row).is_terminal and all(node.key != key for node in effects.ended[known:]):
        graph.end(row, effects)


def _given_up(graph: BuildGraph, row: int) -> Generator[NeedInputs | NeedNodes, Inputs, list[int]]:
    """The node and those of its inputs that were cancelled, inputs first."""
    found: set[int] = set()
    pending: list[int] = [row]
    unseen: list[int] = []
    while pending or unseen:
        for each in pending:
            if each not in found and graph.residue.state(each) in _GIVEN_UP:
                found.add(each)
                unseen.append(each)
        pending, some = [], unseen[-AT_ONCE:]
        del unseen[-AT_ONCE:]
        known: Inputs = yield from _inputs_of(graph, some)
        for each in some:
            pending += known[each]
    return sorted(each for each in found if graph.residue.states[each] == BuildState.CANCELLED)


def _raising(graph: BuildGraph, row: int, priority: int, share: Share, effects: Effects) -> Walk:
    """Let what a node needs go at least as early as the node, and in the same share."""
    residue, nodes = graph.residue, graph.nodes
    raised: dict[int, int] = {}
    pending: list[int] = [row]
    absent: list[int] = []
    while True:
        while pending:
            each = pending.pop()
            before = residue.standing(each)
            if (now := raised.get(before)) is None:
                now = raised[before] = residue.raised(before, priority, share)
            if now == before:
                continue
            residue.stand(each, now)
            if (node := nodes.get(residue.keys[each])) is None:
                absent.append(each)
                continue
            node.priority, node.shares = residue.standings[now]
            pending += node.below
            if node.queued:
                effects.ready.append(node)
        if not absent:
            return
        some = absent[-AT_ONCE:]
        del absent[-AT_ONCE:]
        known = yield from _inputs_of(graph, some)
        for each in some:
            pending += known[each]


def retrying(graph: BuildGraph, row: int, cause: str, effects: Effects) -> Walk:
    """Give a derivation that failed for good all its attempts again, and those that it kept from being built theirs."""
    keys = graph.residue.keys
    while True:
        rows = [row, *reached(graph.residue, row)]
        needed = {keys[each] for each in rows}
        for each in rows:
            needed.update(culprits(graph, inputs_here(graph, each) or ()))
        if all(key in graph.nodes for key in needed):
            break
        yield NeedNodes(sorted(needed))  # all of them each time, so that all stay until it is done
    if graph.residue.state(row) is BuildState.FAILURE:
        graph.apply(graph.nodes[keys[row]], Requeued(), cause, effects)
    for above in rows[1:]:
        nobodys = not graph.residue.standings[graph.residue.standing(above)][1]
        if nobodys and graph.residue.state(above) in _UNSTARTED:
            graph.advance(above, Interrupted(BuildState.CANCELLED), "nobody wants it any more", effects)


def withdrawing(graph: BuildGraph, share: Share, cause: str, effects: Effects) -> Walk:
    """Forget what a share wants: cancel what nobody else wants and has not begun, and say what is being built."""
    residue = graph.residue
    roots = graph.roots.pop(share, set())
    for row in roots:
        if not any(row in others for others in graph.roots.values()):
            residue.unwant(row)
    orphans: list[int] = []
    yield from _lowering(graph, sorted(roots), share, orphans)
    for some in _parts(sorted(orphans)):
        for row in some:
            state = residue.state(row)
            if state is BuildState.BUILDING:
                effects.stopped.append(residue.keys[row])
            elif state in _UNSTARTED:
                graph.advance(row, Interrupted(BuildState.CANCELLED), cause, effects)
        if len(graph.nodes) < len(residue):
            yield NeedNodes([])  # a good moment to record what was done


def _lowering(graph: BuildGraph, pending: list[int], share: Share, orphans: list[int]) -> Walk:
    """Take a share away from what it wanted and all that needs; what has none left is added to ``orphans``."""
    residue, nodes = graph.residue, graph.nodes
    absent: list[int] = []
    while True:
        while pending:
            row = pending.pop()
            before = residue.standing(row)
            now = residue.lowered(before, share)
            if now == before:
                continue
            residue.stand(row, now)
            if not residue.standings[now][1]:
                orphans.append(row)
            if (node := nodes.get(residue.keys[row])) is None:
                absent.append(row)
                continue
            node.priority, node.shares = residue.standings[now]
            pending += node.below
        if not absent:
            return
        some = absent[-AT_ONCE:]
        del absent[-AT_ONCE:]
        known = yield from _inputs_of(graph, some)
        for each in some:
            pending += known[each]


def giving_up(graph: BuildGraph, cause: str, effects: Effects) -> Walk:
    """Cancel all that has not started, and that no failure has yet to reach."""
    residue = graph.residue
    graph.settle(effects)
    for done, row in enumerate(residue.in_states(_UNSTARTED)):
        graph.advance(row, Interrupted(BuildState.CANCELLED), cause, effects)
        if done % AT_ONCE == AT_ONCE - 1 and len(graph.nodes) < len(residue):
            yield NeedNodes([])  # a good moment to record what was done
    for some in _parts(list(residue.in_states({BuildState.BLOCKED}))):
        yield from _need_nodes(graph, some)
        for row in some:
            yield from _need_culprits(graph, row)
            if residue.states[row] == BuildState.BLOCKED:
                graph.inherit(row, graph.nodes[residue.keys[row]].below, effects)


def culprits(graph: BuildGraph, inputs: Iterable[int]) -> list[int]:
    """Return the numbers of those inputs that failed or were interrupted."""
    residue = graph.residue
    return [residue.keys[row] for row in inputs if (state := residue.state(row)) in FAILED or state.is_interruption]


def inputs_here(graph: BuildGraph, row: int) -> Sequence[int] | None:
    """Return the rows of a node's inputs, None where it is not in memory."""
    node = graph.nodes.get(graph.residue.keys[row])
    return None if node is None else node.below


def _inputs_of(graph: BuildGraph, rows: Sequence[int]) -> Generator[NeedInputs, Inputs, Inputs]:
    known = {row: inputs for row in rows if (inputs := inputs_here(graph, row)) is not None}
    absent = [graph.residue.keys[row] for row in rows if row not in known]
    return {**known, **(yield NeedInputs(absent))} if absent else known


def _need_inputs(graph: BuildGraph, rows: Iterable[int]) -> NeedInputs:
    keys, nodes = graph.residue.keys, graph.nodes
    return NeedInputs([keys[row] for row in rows if keys[row] not in nodes])


def _need_nodes(graph: BuildGraph, rows: Iterable[int]) -> Walk:
    absent = [key for row in rows if (key := graph.residue.keys[row]) not in graph.nodes]
    if absent:
        yield NeedNodes(absent)


def _need_culprits(graph: BuildGraph, row: int) -> Walk:
    """Have a node in memory, and what keeps its inputs from succeeding."""
    key = graph.residue.keys[row]
    while True:
        inputs = inputs_here(graph, row)
        needed = [key] if inputs is None else [key, *culprits(graph, inputs)]
        if all(each in graph.nodes for each in needed):
            return
        yield NeedNodes(needed)


def _parts(rows: Sequence[int]) -> Iterable[Sequence[int]]:
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))

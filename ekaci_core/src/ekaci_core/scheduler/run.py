"""One run of the scheduler: wishes come in, builds start as slots and inputs allow, until nothing is left to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

import anyio
import anyio.abc
import attrs

from ekaci_core.bus import Broadcast
from ekaci_core.model.build import Build, BuildState, Requeued, advance
from ekaci_core.model.event import BuildsPlanned, ReviewEvent
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.cancelling import Cancelling
from ekaci_core.scheduler.claims import Claims
from ekaci_core.scheduler.effects import Effects, Step
from ekaci_core.scheduler.graph_metrics import GraphMetrics
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.scheduler.node import RUNNABLE, Node
from ekaci_core.scheduler.planning import Planner, chunked
from ekaci_core.scheduler.recovery import Recovery
from ekaci_core.scheduler.residents import Residents
from ekaci_core.scheduler.turns import Turns
from ekaci_core.scheduler.walks import giving_up, lengthening, retrying, wanting, withdrawing
from ekaci_core.scheduler.watching import Watches
from ekaci_core.scheduler.wishes import HEAD_PRIORITY, SchedulerSettings, Share, Wanted
from ekaci_core.store.contract import BuildChanged, BuildHeld, Store

OnFailure = Callable[[Sequence[Build]], Awaitable[None]]
"""Told of wanted derivations that fail, many at once where one failure takes many with it; may call `BuildRun.add`."""

FAILING: Final = frozenset({BuildState.FAILURE, BuildState.TRANSITIVE_FAILURE, BuildState.TIMEOUT})
"""States of which `OnFailure` is told."""

_ANOTHER_FAILED: Final = "another build failed"
_WITHDRAWN: Final = "nobody wants it any more"


@attrs.define(eq=False)
class BuildRun:
    """Builds what it is asked for. All results are in the store; the run itself only knows when it is idle."""

    _store: Store
    _graph: BuildGraph
    _residents: Residents
    _ledger: Ledger
    _claims: Claims
    _recovery: Recovery
    _planner: Planner
    _turns: Turns
    _cancelling: Cancelling
    _events: Broadcast[ReviewEvent]
    _settings: SchedulerSettings
    _tasks: anyio.abc.TaskGroup
    _on_failure: OnFailure | None
    _awaited: dict[int, Node] = attrs.field(factory=dict, init=False)
    _told: set[int] = attrs.field(factory=set, init=False)
    _planned: int = attrs.field(default=0, init=False)
    _failed_before: int = attrs.field(default=0, init=False)
    _given_up: int = attrs.field(default=0, init=False)
    _busy: int = attrs.field(default=0, init=False)
    _watches: Watches = attrs.field(factory=Watches, init=False)
    _changed: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _planning: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)

    @property
    def built(self) -> int:
        """How many derivations this run has built."""
        return self._turns.built

    @property
    def infrastructure(self) -> Sequence[str]:
        """Sentences on faults of the machine; after the first nothing new is started."""
        return self._turns.infrastructure

    async def take_turns(self) -> None:
        """Build, for ever."""
        await self._turns.run(self._react, self._not_begun)

    async def add(self, wanted: Collection[Wanted]) -> None:
        """Queue what must be built for these; return once that is recorded.

        After a fault of the machine it does nothing.

        Raises:
            InfrastructureFault: a derivation is unknown or has vanished, or Nix or the store failed.
        """
        self._busy += 1
        try:
            async with self._planning:
                await self._until(lambda: not self._turns.held)
                if not self.infrastructure:
                    await self._add(wanted)
        finally:
            self._done()

    async def look(self, drvs: Collection[DrvPath]) -> None:
        """Record which of these need no build; the others, vanished ones included, are left alone.

        Raises:
            InfrastructureFault: the database does not know one, or Nix or the store failed.
        """
        for steps in chunked(await self._planner.look(drvs)):
            await self._ledger.record(steps)

    async def wait(self) -> None:
        """Return when nothing is left that can be done."""
        await self._until(
            lambda: not self._busy and self._turns.idle and (bool(self.infrastructure) or not self._awaited)
        )

    async def finished(self, drvs: Collection[DrvPath]) -> None:
        """Return when each of these has come to an end, or nothing starts any more after a fault of the machine.

        What is not in the run has come to an end.
        """
        keys = await self._store.derivation_ids(drvs)
        residue = self._graph.residue
        known = {drv: residue.row(key) for drv, key in keys.items() if key in residue}
        watch = self._watches.open([drv for drv, row in known.items() if not residue.state(row).is_terminal])
        try:
            if not self.infrastructure:
                await watch.over()
        finally:
            self._watches.close(watch)

    async def drain(self) -> None:
        """Begin nothing any more; return when what is being built has ended."""
        self._turns.held = True
        await self._until(lambda: self._turns.idle)

    async def broken(self) -> None:
        """Return when the machine is at fault, and nothing new is started any more."""
        await self._until(lambda: bool(self.infrastructure))

    async def retry(self, drvs: Collection[DrvPath], cause: str) -> None:
        """Give those of these that failed for good all their attempts again; they are built once somebody wants them.

        Raises:
            InfrastructureFault: the store failed.
        """
        self._busy += 1
        try:
            async with self._planning:
                keys = await self._store.derivation_ids(drvs)
                effects = Effects()
                for key in sorted(key for key in keys.values() if key in self._graph):
                    walk = retrying(self._graph, self._graph.residue.row(key), cause, effects)
                    await self._residents.follow(walk, effects)
                    self._told.discard(key)
                known = await self._store.builds([drv for drv, key in keys.items() if key not in self._graph])
                failed = [each for each in known.values() if each.state is BuildState.FAILURE]
                effects.steps += [Step(advance(each, Requeued()), cause) for each in failed]
                await self._ledger.record(effects.steps)
                await self._release(effects)
        finally:
            self._done()

    async def withdraw(self, share: Share) -> None:
        """Give up what this share alone wanted; what others want goes on.

        Raises:
            InfrastructureFault: the store failed.
        """
        self._busy += 1
        try:
            async with self._planning:
                effects = Effects()
                await self._residents.follow(withdrawing(self._graph, share, _WITHDRAWN, effects), effects)
                for key in effects.stopped:
                    self._turns.cancel(key, _WITHDRAWN)
                await self._ledger.record(effects.steps)
                await self._release(effects)
        finally:
            self._done()

    async def watch_cancellations(self) -> None:
        """Give up what others ask to be given up, for ever."""
        await self._cancelling.watch(self._release)

    async def look_after_graph(self) -> None:
        """Keep it within its bounds, and tell the log how full it is, for ever."""
        await self._residents.look_after()

    @property
    def metrics(self) -> GraphMetrics:
        """Figures on the graph, as they are now."""
        return self._residents.metrics()

    async def watch_others(self) -> None:
        """Follow what other processes build, for ever."""
        while True:
            await self._until(lambda: bool(self._awaited))
            await anyio.sleep(self._settings.poll_seconds)
            stored = await self._store.builds([node.build.drv for node in self._awaited.values()])
            for key, node in tuple(self._awaited.items()):
                await self._look(key, node, stored.get(node.build.drv))

    async def _add(self, wanted: Collection[Wanted]) -> None:
        plan = await self._planner.plan([wish.drv for wish in wanted], self._graph)
        for steps in chunked(plan.present):
            await self._ledger.record(steps)
        given_up = self._given_up
        effects = Effects()
        # What comes of the newcomers waits until the wishes say in which order.
        async for some in self._planner.newcomers(plan, self._graph):
            self._failed_before += sum(node.build.state is BuildState.FAILURE for node in some.nodes)
            await self._residents.prepare(some.nodes)
            added = self._graph.add(some.nodes, some.stored, some.causes)
            self._residents.make_room()
            await self._ledger.record([*some.present, *added.steps])
            effects.ready += added.ready
        await self._residents.follow(lengthening(self._graph, plan.keys, effects), effects)
        for wishes in chunked(list(wanted)):
            effects.steps = []
            for wish in wishes:
                if (key := plan.wanted[wish.drv]) in self._graph:
                    walk = wanting(self._graph, key, wish.priority, wish.share, effects)
                    await self._residents.follow(walk, effects)
            await self._ledger.record(effects.steps)
        if given_up != self._given_up:  # another build failed meanwhile: that goes for these too
            await self._give_up()
        await self._release(effects)

    async def _release(self, effects: Effects) -> None:
        """Let come what follows from recorded steps."""
        await self._residents.complete(effects)
        self._turns.push(effects.ready)
        self._react(effects)

    def _react(self, effects: Effects) -> None:
        failed = [node for node in effects.ended if node.build.state in FAILING and node.key not in self._told]
        self._told.update(node.key for node in failed)
        if failed:
            self._busy += 1
            stop = not self._settings.keep_going and any(map(self._ends_the_run, failed))
            if stop:
                self._turns.held = True
                self._given_up += 1
                self._turns.stop(_ANOTHER_FAILED)
            self._tasks.start_soon(self._after_failure, [node.build for node in failed])
        for node in effects.ended:
            self._watches.ended(node.build.drv)
        if self.infrastructure:
            self._watches.end_all()
        self._announce()
        self._notify()

    def _ends_the_run(self, node: Node) -> bool:
        culprits = node.build.blockers or {node.build.drv}
        return node.priority >= HEAD_PRIORITY and not self._graph.failed.isdisjoint(culprits)

    async def _give_up(self) -> None:
        """Cancel what has not started."""
        effects = Effects()
        await self._residents.follow(giving_up(self._graph, _ANOTHER_FAILED, effects), effects)
        await self._ledger.record(effects.steps)

    async def _after_failure(self, failed: Sequence[Build]) -> None:
        try:
            if self._turns.held:
                await self._give_up()
                await self._until(lambda: self._turns.idle)
                self._turns.held = False
                self._notify()
            if self._on_failure is not None:
                await self._on_failure(failed)
        finally:
            self._done()

    def _announce(self) -> None:
        counts = self._graph.counts
        without = (BuildState.TRANSITIVE_FAILURE, BuildState.BLOCKED, BuildState.UNSATISFIABLE)
        planned = len(self._graph) - self._failed_before - sum(counts[state] for state in without)
        if planned != self._planned:
            self._planned = planned
            self._events.send(BuildsPlanned(planned))

    def _not_begun(self, node: Node, answer: BuildHeld | BuildChanged) -> None:
        self._busy += 1
        self._tasks.start_soon(self._find_out, node, answer, name=f"find out about {node.build.drv.name}")

    async def _find_out(self, node: Node, answer: BuildHeld | BuildChanged) -> None:
        """Learn why a build could not begin, and follow it."""
        drv = node.build.drv
        try:
            if isinstance(answer, BuildHeld):
                if await self._claims.evict(drv, answer.worker):
                    self._turns.push([node])  # what a process that is gone has left is seen the next time
                else:
                    node.foreign = True
                    self._awaited[node.key] = node
                return
            try:
                effects = await self._catch_up(node)
            finally:
                await self._claims.release(drv)
            effects.ready.append(node)
            await self._release(effects)
        finally:
            self._done()

    async def _catch_up(self, node: Node) -> Effects:
        """Take over what another worker did to a derivation since we looked, now that its claim is ours."""
        drv = node.build.drv
        stored = (await self._store.builds([drv])).get(drv)
        node.foreign = False
        if stored is None or stored == node.build:
            return Effects()
        if stored.state not in (BuildState.SUCCESS, BuildState.FAILURE):
            stored = await self._recovery.close(drv)
        if node.build.state not in RUNNABLE:
            return Effects()
        if stored.state in (BuildState.SUCCESS, BuildState.FAILURE) or await self._cancelling.concerns(stored):
            return await self._adopt(node, stored)
        effects = self._graph.adopt(node, Build(drv, failures=max(stored.failures, node.build.failures)))
        self._residents.make_room()
        await self._ledger.record(effects.steps)
        return effects

    async def _adopt(self, node: Node, build: Build) -> Effects:
        effects = self._graph.adopt(node, build)
        await self._residents.complete(effects)
        # Who built it may have begun what depends on it: that one's record is the true one.
        stored = await self._store.builds([each.build.drv for each in effects.ready])
        ahead = {drv for drv, known in stored.items() if known.state in _AHEAD}
        for each in effects.ready:
            each.foreign = each.build.drv in ahead
        foreign = {each.key for each in effects.ready if each.foreign}
        effects.steps = [step for step in effects.steps if step.key not in foreign]
        await self._ledger.record(effects.steps)
        return effects

    async def _look(self, key: int, node: Node, stored: Build | None) -> None:
        if node.build.state not in RUNNABLE:
            del self._awaited[key]
        elif stored is not None and (
            stored.state in (BuildState.SUCCESS, BuildState.FAILURE) or await self._cancelling.concerns(stored)
        ):
            effects = await self._adopt(node, stored)
            del self._awaited[key]
            await self._release(effects)
        elif await self._claims.take(node.build.drv):
            await self._claims.release(node.build.drv)
            del self._awaited[key]
            await self._release(Effects(ready=[node]))
        self._notify()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _done(self) -> None:
        self._busy -= 1
        self._notify()


_AHEAD: Final = frozenset({BuildState.BUILDING, BuildState.SUCCESS, BuildState.FAILURE})

"""The scheduler's loop: what has ended is followed up and what may start is begun, in one transaction a turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import anyio
import anyio.abc
import attrs
from anyio import TaskHandle

from ekaci_core.api import BuildInterrupted, BuildOutcome, Built, Clock, TransientKind
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import BuildState, NoBuilder, Started
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.event import BuildFinished, BuildStarted, ReviewEvent, ReviewNote
from ekaci_core.model.ids import StorePath
from ekaci_core.scheduler.attempt import Attempts, Result, log_name, result_of
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.copying import Copies
from ekaci_core.scheduler.durations import asked
from ekaci_core.scheduler.effects import Effects
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.scheduler.node import RUNNABLE, Node
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.ready_queue import ReadyQueue
from ekaci_core.scheduler.residents import Residents
from ekaci_core.store.contract import (
    AttemptEnd,
    AttemptId,
    BuildBegun,
    BuildChanged,
    BuildHeld,
    BuildStart,
    DerivationId,
    Store,
)

React = Callable[[Effects], None]
"""Told of recorded effects of builds that ended."""

NotBegun = Callable[[Node, BuildHeld | BuildChanged], None]
"""Told of a build that could not begin: another worker has it, or what was thought of it is out of date."""


# More at once would keep what happened unrecorded for longer than the 20 ms that are allowed.
_MOST: Final = 128
_MOST_STEPS: Final = 200
_LOOK_SECONDS: Final = 1.0
# What was built last is what is needed next; all outputs of a whole package set would take too much memory.
_REMEMBERED: Final = 20_000

GIVEN_UP: Final = BuildInterrupted(BuildState.CANCELLED, "given up before it began")
"""How an attempt ended whose builder was not asked."""


@attrs.define(eq=False)
class Job:
    """A build that has begun."""

    node: Node
    at: int
    attempt: AttemptId
    record: DerivationRecord
    begun: float
    outcome: BuildOutcome = BuildInterrupted(BuildState.CANCELLED, "the run was stopped")  # unless it says otherwise
    task: TaskHandle[None] | None = None
    ended: bool = False

    def stop(self, why: str) -> None:
        """End it; it counts as cancelled, unless it has ended already and waits to be followed up."""
        if self.ended:
            return
        self.outcome = BuildInterrupted(BuildState.CANCELLED, why)
        if self.task is not None:
            self.task.cancel()


@attrs.frozen(eq=False)
class Pause:
    """A wait before a derivation is built again."""

    node: Node
    seconds: float

    @property
    def is_over(self) -> bool:
        """Whether nothing comes after it, because the derivation was given up or built meanwhile."""
        return self.node.build.state not in RUNNABLE


@attrs.define(eq=False)
class Turns:
    """Keeps the builders busy. Nothing here waits for one build alone.

    Attributes:
        infrastructure: sentences on faults of the machine; after the first nothing new is started.
        built: how many derivations were built.
        jobs: builds that have begun, by the derivation's number.
        held: whether nothing may start for now.
    """

    _store: Store
    _placement: Placement
    _graph: BuildGraph
    _residents: Residents
    _ledger: Ledger
    _attempts: Attempts
    _events: Broadcast[ReviewEvent]
    _clock: Clock
    _farewell_seconds: float
    _patience_seconds: float
    _pause_seconds: float
    infrastructure: list[str] = attrs.field(factory=list, init=False)
    built: int = attrs.field(default=0, init=False)
    jobs: dict[int, Job] = attrs.field(factory=dict, init=False)
    held: bool = attrs.field(default=False, init=False)
    _queue: ReadyQueue = attrs.field(factory=ReadyQueue, init=False)
    _setbacks: Counter[int] = attrs.field(factory=Counter, init=False)
    _paused: dict[int, Pause] = attrs.field(factory=dict, init=False)
    _outputs: dict[int, tuple[StorePath, ...]] = attrs.field(factory=dict, init=False)
    _ended: list[Job] = attrs.field(factory=list, init=False)
    _due: bool = attrs.field(default=False, init=False)
    _stalled: float = attrs.field(default=0.0, init=False)
    _wake: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _unreachable: list[tuple[Node, str]] = attrs.field(factory=list, init=False)
    _copies: Copies = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the stage in front of the slots."""
        self._copies = Copies(
            self._store,
            self._placement,
            self._attempts,
            requeue=lambda node: self.push([node]),
            unreachable=lambda node, why: self._unreachable.append((node, why)),
            due=self._turn_is_due,
            pause_seconds=self._pause_seconds,
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is being built, begun or followed up, nor waits for a slot or a time that it may get."""
        if self._due or self.jobs or self._ended or self._copies:
            return False
        if self.held or self.infrastructure:
            return True
        return not self._queue.waiting and all(each.is_over for each in self._paused.values())

    def push(self, nodes: Iterable[Node]) -> None:
        """Queue those that may start."""
        for node in nodes:
            if node.build.state in RUNNABLE:
                self._queue.push(node)
        self._turn_is_due()

    def stop(self, why: str) -> None:
        """End all that is being built."""
        self._copies.stop()
        for job in self.jobs.values():
            job.stop(why)

    def cancel(self, key: int, why: str) -> bool:
        """End the build of one derivation, or what is brought to a builder for it; whether it is being built."""
        self._copies.cancel(key)
        job = self.jobs.get(key)
        if job is None:
            self._queue.ended(key)
        if job is not None and job not in self._ended:  # else it has an outcome of its own
            job.stop(why)
        return job is not None

    async def run(self, react: React, not_begun: NotBegun) -> None:
        """Take turns, for ever. Cancellation stops all builds and has their ends recorded, within a deadline.

        Raises:
            InfrastructureFault: the store failed.
        """
        try:
            async with anyio.create_task_group() as builds:
                while True:
                    await self._something()
                    self._wake = anyio.Event()
                    await self._turn(builds, react, not_begun)
        finally:
            with anyio.move_on_after(self._farewell_seconds, shield=True):
                stopped = list(self.jobs.values())
                effects, ends, releases = self._follow_up(stopped)
                await self._ledger.record(effects.steps, ends=ends, releases=releases)
                self._tell(stopped)

    async def _something(self) -> None:
        """Wait for a reason to take a turn. Slots of builders that are elsewhere come and go without one."""
        while not self._wake.is_set():
            waiting = self._queue.waiting
            stalled = waiting and not (self.jobs or self._copies or self.held or self.infrastructure)
            with anyio.move_on_after(_LOOK_SECONDS if waiting or self._copies.waiting else None):
                await self._wake.wait()
                return
            self._stalled = self._stalled + _LOOK_SECONDS if stalled else 0.0
            if self._stalled >= self._patience_seconds:
                names = ", ".join(sorted(offer.builder.name for offer in self._placement.offers))
                self.infrastructure.append(f"no builder could be reached for {self._stalled:.0f} seconds: {names}")
            self._turn_is_due()

    async def _turn(self, builds: anyio.abc.TaskGroup, react: React, not_begun: NotBegun) -> None:
        ended, self._ended = self._ended[:_MOST], self._ended[_MOST:]
        effects, ends, releases = self._follow_up(ended)
        if self._ended or self._graph.due or self._graph.spreads:
            self._turn_is_due()
        self._leave_unreachable(effects)
        self._push(builds, effects.ready)
        for each in ended:
            self._queue.ended(each.node.key)
        self._residents.make_room()
        taken = self._take(builds)
        starts = [self._start(node, at) for node, at in taken]
        with anyio.CancelScope(shield=True):  # what was taken is recorded, and then begins or is given back
            answers = await self._ledger.record(effects.steps, ends=ends, releases=releases, starts=starts)
            begun = [
                DerivationId(node.key)
                for (node, _), answer in zip(taken, answers, strict=True)
                if isinstance(answer, BuildBegun)
            ]
            records = await self._store.derivations(begun) if begun else {}
        self._tell(ended)
        for (node, at), answer in zip(taken, answers, strict=True):
            if isinstance(answer, BuildBegun):
                record = records[DerivationId(node.key)]
                self._begin(builds, Job(node, at, answer.attempt, record, self._clock.monotonic()))
            else:
                self._placement.give_back(at, node.lane)
                self._queue.ended(node.key)
                self._turn_is_due()  # another may have the slot
                not_begun(node, answer)
        await self._bring_in(builds, effects, begun)
        self._due = self._wake.is_set()
        react(effects)

    async def _bring_in(self, builds: anyio.abc.TaskGroup, effects: Effects, begun: Sequence[DerivationId]) -> None:
        """Have in memory what may start by now, and what may start next."""
        await self._residents.expect(job.node for key in begun if (job := self.jobs.get(key)))
        if effects.absent_ready or effects.absent_ended:
            there = len(effects.ready)
            await self._residents.complete(effects)
            self._push(builds, effects.ready[there:])
            self._turn_is_due()
        self._residents.make_room()

    def _leave_unreachable(self, effects: Effects) -> None:
        """Follow up that nothing could be brought to any builder of some."""
        for node, why in self._unreachable:
            self._queue.ended(node.key)
            if node.build.state in RUNNABLE:
                self._graph.apply(node, NoBuilder(), why, effects)
        self._unreachable.clear()

    def _push(self, builds: anyio.abc.TaskGroup, ready: Iterable[Node]) -> None:
        """Queue what may start, now or after a pause."""
        for node in ready:
            if (pause := self._paused.get(node.key)) is not None:
                builds.start_soon(self._after, pause)
            elif node.build.state in RUNNABLE:
                self._queue.push(node)

    def _tell(self, ended: Iterable[Job]) -> None:
        for job in ended:
            seconds = self._clock.monotonic() - job.begun
            self._events.send(BuildFinished(job.record.path, job.node.build.state, seconds))

    def _follow_up(self, ended: Sequence[Job]) -> tuple[Effects, list[AttemptEnd], list[int]]:
        effects = self._graph.next_due(_MOST_STEPS)
        ends, releases = [], []
        for job in ended:
            outcome = job.outcome = self._excused(job)
            node = job.node
            self._placement.give_back(job.at, node.lane)
            del self.jobs[node.key]
            if node.build.state is BuildState.BUILDING:
                result = self._result(job)
                self._graph.apply(node, result.event, result.reason or "built", effects)
            else:  # it was given up before its builder was asked
                result = result_of(node.build, GIVEN_UP, 0, self._attempts.settings.backoff)
            ends.append(self._end(job, result))
            releases.append(node.key)
            if isinstance(outcome, Built):
                self.built += 1
                self._remember(job)
            if result.pause is not None:
                self._paused[node.key] = Pause(node, result.pause)
                self._copies.avoid(node, job.at)
            elif isinstance(outcome, BuildInterrupted) and outcome.infrastructure:
                self.infrastructure.append(outcome.reason)
        return effects, ends, releases

    def _excused(self, job: Job) -> BuildOutcome:
        """Make a fault of one machine elsewhere a setback, and leave it out, if others can build the derivation."""
        outcome, offer = job.outcome, self._placement.offers[job.at]
        if not isinstance(outcome, BuildInterrupted) or not outcome.infrastructure or outcome.transient is not None:
            return outcome
        if offer.is_local or not self._placement.answers(self._copies.others(job.node, job.at)):
            return outcome
        self._placement.leave_out(job.at)
        self._events.send(ReviewNote(f"builder {offer.builder.name} is given nothing any more: {outcome.reason}"))
        return attrs.evolve(outcome, transient=TransientKind.BUILDER_LOST)

    def _remember(self, job: Job) -> None:
        """Keep what was built, so that a builder can be asked whether it has it."""
        if len(self._placement.offers) > 1 and self._graph.residue.is_needed(job.node.row):
            self._outputs[job.node.row] = tuple(each.path for each in job.record.outputs if each.path is not None)
            if len(self._outputs) > _REMEMBERED:
                del self._outputs[next(iter(self._outputs))]

    def _result(self, job: Job) -> Result:
        key, outcome = job.node.key, job.outcome
        if isinstance(outcome, BuildInterrupted) and outcome.transient is not None:
            self._setbacks[key] += 1
        result = result_of(job.node.build, outcome, self._setbacks[key], self._attempts.settings.backoff)
        if result.pause is None:
            del self._setbacks[key]
        return result

    def _end(self, job: Job, result: Result) -> AttemptEnd:
        took = self._clock.monotonic() - job.begun
        return AttemptEnd(
            job.attempt,
            self._clock.now(),
            result.exit_status,
            result.outcome,
            result.reason,
            learnt=[(each, took) for each in asked([job.record])] if isinstance(job.outcome, Built) else (),
            kind=result.kind,
        )

    async def _after(self, pause: Pause) -> None:
        await anyio.sleep(pause.seconds)
        if self._paused.get(pause.node.key) is pause:  # else it began meanwhile, and now there is another
            del self._paused[pause.node.key]
            self.push([pause.node])

    def _take(self, tasks: anyio.abc.TaskGroup) -> list[tuple[Node, int]]:
        """Fill free slots, and have what is bound for builders elsewhere brought there."""
        taken: list[tuple[Node, int]] = []
        if self.infrastructure or self.held:
            self._copies.stop()
            return taken
        for arrived, at in self._copies.ready():
            self._placement.take(at, arrived.lane)
            taken.append((arrived, at))
        while len(taken) < _MOST and (node := self._queue.pop(self._placement)) is not None:
            place = self._choose(node)
            if place is None:  # its builder went away in between
                self._queue.push(node)
                break
            if self._placement.offers[place].is_local:
                self._placement.take(place, node.lane)
                taken.append((node, place))
            else:
                self._copies.begin(tasks, node, place)
        if len(taken) >= _MOST:
            self._turn_is_due()
        return taken

    def _choose(self, node: Node) -> int | None:
        inputs = [path for row in node.below for path in self._outputs.get(row, ())]
        return self._placement.free(node.lane, inputs)

    def _start(self, node: Node, at: int) -> BuildStart:
        log = log_name(self._attempts.logs_dir, node.build.drv)
        return BuildStart(DerivationId(node.key), node.build, self._placement.offers[at].builder.name, log)

    def _begin(self, builds: anyio.abc.TaskGroup, job: Job) -> None:
        node = job.node
        self.jobs[node.key] = job
        job.task = builds.create_task(self._build(job), name=node.build.drv)
        if node.build.state not in RUNNABLE:
            job.stop(GIVEN_UP.reason)
            return
        self._graph.apply(node, Started(), "")  # the store has it already
        self._events.send(BuildStarted(node.build.drv, node.build.drv.name))
        if self.held or self.infrastructure:
            job.stop("the run was stopped")

    async def _build(self, job: Job) -> None:
        try:
            job.outcome = await self._attempts.make(job.record, self._placement.offers[job.at])
        finally:
            job.ended = True
            self._ended.append(job)
            self._turn_is_due()

    def _turn_is_due(self) -> None:
        self._due = True
        self._wake.set()

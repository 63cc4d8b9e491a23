"""Makes the reviews that are wished for: each in a task of its own, and none that nobody waits for."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import attrs

from ekaci_core.api import EkaciError, ForgeCapability, InfrastructureFault
from ekaci_core.bus import Wakeup
from ekaci_core.model.review import ReviewState
from ekaci_core.process.plain import one_line
from ekaci_core.registry.guard import leaves
from ekaci_core.reporting import checks
from ekaci_core.server.one_review import NotConfigured, OneReview, is_configured, sides_of
from ekaci_core.server.review_parts import ReviewParts
from ekaci_core.server.turns import Turns
from ekaci_core.store.review import ReviewId, ReviewRecord

LOOK_SECONDS: Final = 30.0
"""How often the store is looked at without anybody having said that there is something."""
FIRST_RETRY_SECONDS: Final = 30.0
LAST_RETRY_SECONDS: Final = 1800.0
"""Pauses after a fault of the machine, doubled from the first to the last."""
FAULT_WRITES: Final = 3
"""Writes of a verdict after which further faults are not told there."""

_REMEMBERED_SECONDS: Final = 7 * 24 * 3600.0
_AT_WORK: Final = frozenset({ReviewState.QUEUED, ReviewState.EVALUATING, ReviewState.BUILDING, ReviewState.FAULT})
_WHY: Final = {
    ReviewState.SUPERSEDED: "A newer commit is reviewed",
    ReviewState.CLOSED: "Nobody waits for it any more",
}


@attrs.define
class _Task:
    record: ReviewRecord
    scope: anyio.CancelScope


@attrs.define(eq=False)
class Reviewing:
    """The loop over the reviews that are live. Their states are in the store; here is only what runs just now."""

    _parts: ReviewParts
    _asked: Wakeup
    _evaluations_at_once: int = 1
    _running: dict[ReviewId, _Task] = attrs.field(factory=dict, init=False)
    _faults: dict[ReviewId, int] = attrs.field(factory=dict, init=False)
    _again: dict[ReviewId, float] = attrs.field(factory=dict, init=False)
    _announced: set[tuple[ReviewId, int]] = attrs.field(factory=set, init=False)
    _closed_until: float = attrs.field(default=0.0, init=False)
    _turns: Turns = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Let so many evaluate at once."""
        self._turns = Turns(self._evaluations_at_once)

    @property
    def running(self) -> Sequence[ReviewRecord]:
        """What is being worked on just now."""
        return [task.record for task in self._running.values()]

    def wake(self) -> None:
        """Look at the store: something was asked for."""
        self._asked.wake()

    async def run(self) -> None:
        """Review, for ever. Cancellation leaves every review where it is; the next server goes on with it.

        Raises:
            InfrastructureFault: the store failed.
        """
        self._closed_until = self._parts.clock.now() - _REMEMBERED_SECONDS
        async with anyio.create_task_group() as tasks:
            while True:
                live = {record.id: record for record in await self._parts.store.live_reviews()}
                self._stop(live.keys())
                await self._rejoin_shared()
                await self._close_given_up()
                for record in live.values():
                    self._start(tasks, record)
                await self._asked.wait(self._pause())

    def _stop(self, live: Collection[ReviewId]) -> None:
        for number, task in self._running.items():
            if number not in live:
                task.scope.cancel()

    def _pause(self) -> float:
        now = self._parts.clock.now()
        waits = [at - now for number, at in self._again.items() if number not in self._running]
        return max(0.0, min([LOOK_SECONDS, *waits]))

    def _start(self, tasks: anyio.abc.TaskGroup, record: ReviewRecord) -> None:
        if record.id in self._running or self._again.get(record.id, 0.0) > self._parts.clock.now():
            return
        if record.state is ReviewState.WAITING:
            # By round: what was closed and opened again needs its check again.
            if (record.id, record.round) in self._announced:
                return
            self._announced.add((record.id, record.round))
        task = _Task(record, anyio.CancelScope())
        self._running[record.id] = task
        tasks.start_soon(self._one, task, name=f"review {record.id}")

    async def _one(self, task: _Task) -> None:
        record = task.record
        try:
            with task.scope:
                if record.state is ReviewState.WAITING:
                    await self._announce(record)
                else:
                    await self._make(record)
        finally:
            del self._running[record.id]
            self._asked.wake()  # it may be live in another state now

    async def _make(self, record: ReviewRecord) -> None:
        try:
            await OneReview(self._parts, record, self._turns, partial(self._peers, record)).make()
        except NotConfigured:
            await self._change(record, ReviewState.NOT_CONFIGURED, "neither side has a configuration file")
        except EkaciError as fault:
            await self._failed(record, fault)
        except BaseExceptionGroup as group:
            faults = leaves(group)
            if not all(isinstance(each, Exception) for each in faults):
                raise
            defect = next((each for each in faults if not isinstance(each, EkaciError)), faults[0])
            await self._failed(record, defect if isinstance(defect, EkaciError) else self._defect(record, defect))
        except Exception as error:  # noqa: BLE001 - see below
            # One review that we cannot make must not end all others, and every later start of the server.
            await self._failed(record, self._defect(record, error))
        else:
            self._faults.pop(record.id, None)
            self._again.pop(record.id, None)

    def _defect(self, record: ReviewRecord, error: BaseException) -> InfrastructureFault:
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        way = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
        reason = one_line(f"{type(error).__name__}: {error}")
        self._parts.log.warning("review_met_a_defect", review=record.id, reason=reason, at=way)
        # Its text is for operators: nobody knows what is in it.
        return InfrastructureFault(f"a defect of EkaCI ({type(error).__name__})", do="please report it")

    def _peers(self, record: ReviewRecord) -> int:
        return sum(each.wish.repository == record.wish.repository for each in self.running)

    async def _failed(self, record: ReviewRecord, fault: EkaciError) -> None:
        """Try it again later: a fault of the machine says nothing of the change."""
        count = self._faults[record.id] = self._faults.get(record.id, 0) + 1
        pause = min(FIRST_RETRY_SECONDS * 2 ** (count - 1), LAST_RETRY_SECONDS)
        now = self._parts.clock.now()
        self._again[record.id] = now + pause
        sentences = [str(fault), *([fault.do] if fault.do else [])]
        self._parts.log.warning("review_failed", review=record.id, reason=str(fault), again_in_seconds=pause)
        live = await self._change(record, ReviewState.FAULT, str(fault))
        if live and record.wish.occasion.is_reported:
            await self._tell_fault(record, sentences)

    async def _tell_fault(self, record: ReviewRecord, sentences: Sequence[str]) -> None:
        wish, store = record.wish, self._parts.store
        wanted = checks.at_fault(self._parts.subject(record), sentences, again=True)
        for post in await store.posts_at(wish.repository, wish.head_sha, [checks.VERDICT]):
            if not post.final and post.writes >= FAULT_WRITES:
                return  # a fault that comes again and again is told, and the end needs writes too
        await self._parts.want(record, wanted)

    async def _announce(self, record: ReviewRecord) -> None:
        """Say that somebody must approve it, where the repository has asked for reviews at all."""
        wish, store = record.wish, self._parts.store
        try:
            forge = self._parts.forges.must_serve(wish.repository)
            if not await is_configured(forge, wish.repository, await sides_of(store, wish)):
                await self._change(record, ReviewState.NOT_CONFIGURED, "neither side has a configuration file")
                return
        except EkaciError as fault:
            self._announced.discard((record.id, record.round))
            self._again[record.id] = self._parts.clock.now() + FIRST_RETRY_SECONDS
            self._parts.log.warning("review_not_announced", review=record.id, reason=str(fault))
            return
        subject = self._parts.subject(record)
        has_buttons = ForgeCapability.CHECK_BUTTONS in forge.capabilities
        await self._parts.want(record, checks.waiting_for_approval(subject, wish.author, has_buttons=has_buttons))

    async def _rejoin_shared(self) -> None:
        """Look again at commits of several pull requests of one of which there is news: it may count no more."""
        for repository, sha in await self._parts.store.shared_heads(since=self._closed_until):
            await self._parts.rejoin(repository, sha, _WHY[ReviewState.CLOSED])

    async def _close_given_up(self) -> None:
        """Close the checks of reviews that nobody waits for any more, those of before a restart included."""
        store, now = self._parts.store, self._parts.clock.now()
        for record in await store.given_up_reviews(since=self._closed_until):
            wish = record.wish
            if await self._parts.rejoin(wish.repository, wish.head_sha, _WHY[record.state]):
                continue
            posts = await store.posts_at(wish.repository, wish.head_sha)
            subject = self._parts.subject(record)
            ended = checks.ended(subject, [post.check for post in posts], _WHY[record.state])
            if ended:
                await store.want_checks(ended, now=now)
                await self._parts.want_comment(record, ended)
                self._parts.posted.wake()
        self._closed_until = now - LOOK_SECONDS  # times of the same second are looked at again: it changes nothing

    async def _change(self, record: ReviewRecord, state: ReviewState, detail: str) -> bool:
        now = self._parts.clock.now()
        expected = {*_AT_WORK, ReviewState.WAITING}
        return await self._parts.store.change_review(record.id, state, expected=expected, detail=detail, now=now)

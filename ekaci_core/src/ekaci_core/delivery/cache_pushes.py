"""The loop of one cache. All facts are in the store: killed at any moment, it goes on where it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_core.api import Cache, Clock, EkaciError, InfrastructureFault, Logger, PushOutcome, StorePath, UsageFault
from ekaci_core.bus import Wakeup
from ekaci_core.delivery.auditing import Auditing
from ekaci_core.delivery.batches import Standing, batches
from ekaci_core.delivery.calling import Call, is_unreachable, timed_out
from ekaci_core.delivery.circuit import Circuit
from ekaci_core.delivery.patience import end_of
from ekaci_core.delivery.policy import CacheRule
from ekaci_core.delivery.store_paths import PathStore
from ekaci_core.delivery.transcript import PushLogs, Transcript
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.path_info import PathInfo
from ekaci_core.store.push import Push, PushEnd, Pushes, PushState

LOOK_SECONDS: Final = 60.0
"""How often the store is looked at without anybody having said that there is something."""
WINDOW: Final = 2048
"""Paths that a cache is asked for at once."""

_FAULT_SECONDS: Final = 5.0
_GONE: Final = "it is not in the store of this machine any more"


@attrs.frozen
class PushParts:
    """What the loops of all caches share. ``seconds`` is the longest time of one call of a cache."""

    store: Pushes
    paths: PathStore
    auditing: Auditing
    clock: Clock
    log: Logger
    logs_dir: Path
    seconds: float


@attrs.define(eq=False)
class CachePushes:
    """Brings one cache what it is to have.

    Attributes:
        rule: what the server says of the cache.
        fault: why it cannot be used now, empty where it can.
    """

    rule: CacheRule
    _cache: Cache
    _parts: PushParts
    _asked: Wakeup
    _circuit: Circuit = attrs.field(factory=Circuit)
    fault: str = attrs.field(default="", init=False)
    _stopping: bool = attrs.field(default=False, init=False)
    _ended: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _writing: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)

    @property
    def is_open(self) -> bool:
        """Whether the cache is left alone for now."""
        return self._circuit.is_open

    def wake(self) -> None:
        """Look at the store: there is something."""
        self._asked.wake()

    def hurry(self) -> None:
        """Look at the store, and do not leave the cache alone any longer."""
        self._circuit.hurry(self._parts.clock.monotonic())
        self._asked.wake()

    def stop(self) -> None:
        """Begin no push any more."""
        self._stopping = True
        self._asked.wake()

    async def run(self) -> None:
        """Push, for ever. Cancellation leaves what is being pushed for the next start.

        Raises:
            InfrastructureFault: the store, or Nix, failed.
        """
        store, clock = self._parts.store, self._parts.clock
        await store.resume_pushes(cache=self.rule.id, now=clock.now())
        while not self._stopping:
            pause = await self.push_due()
            await self._asked.wait(LOOK_SECONDS if pause is None else min(pause, LOOK_SECONDS))
        self._ended.set()

    async def ended(self) -> None:
        """Wait until nothing is pushed any more, after `stop`."""
        await self._ended.wait()

    async def push_due(self) -> float | None:
        """Push what may be pushed now; return the seconds until there may be more, None where nothing waits.

        Raises:
            InfrastructureFault: the store, or Nix, failed.
        """
        parts = self._parts
        wait = self._circuit.wait(parts.clock.monotonic())
        if wait > 0:
            return wait
        now = parts.clock.now()
        found = await parts.store.pushes_due(self.rule.id, now=now, limit=1 if self.is_open else WINDOW)
        if not found:
            later = await parts.store.next_push_at(self.rule.id, now=now)
            return None if later is None else max(0.0, later - parts.clock.now())
        infos = await parts.paths.infos([each.path for each in found])
        gone = [each for each in found if each.path not in infos]
        await self._end([PushEnd(push=each.id, state=PushState.FAILED, reason=_GONE) for each in gone])
        return await self._push_some([each for each in found if each.path in infos], infos)

    async def _push_some(self, found: Sequence[Push], infos: Mapping[StorePath, PathInfo]) -> float:
        missing = await self._missing([each.path for each in found])
        if missing is None:
            return _FAULT_SECONDS
        there = [each for each in found if each.path not in missing]
        ends = [PushEnd(push=each.id, state=PushState.PRESENT) for each in there]
        await self._end(ends)
        wanted = [each for each in found if each.path in missing]
        standing = await self._standing(wanted, infos)
        standing.note(there, ends)
        await self._push_all(batches(wanted, infos), infos, standing)
        return 0.0

    async def _missing(self, paths: Collection[StorePath]) -> frozenset[StorePath] | None:
        """Ask the cache what it lacks; None where it does not answer, which is no fault of a path."""
        if not paths:
            return frozenset()
        clock, fault = self._parts.clock, timed_out(self._parts.seconds)
        try:
            with anyio.move_on_after(self._parts.seconds):
                missing = await self._cache.missing(paths)
                if len(missing) < len(paths):  # else it may be one that cannot be asked
                    self._answered()
                return missing
            self._circuit.failed(clock.monotonic())
        except UsageFault as error:
            fault = str(error)
            self._circuit.trip(clock.monotonic())
        except EkaciError as error:
            fault = str(error)
            self._circuit.failed(clock.monotonic())
        self._failed(fault)
        return None

    async def _standing(self, wanted: Sequence[Push], infos: Mapping[StorePath, PathInfo]) -> Standing:
        """Find out how those stand that these refer to."""
        below = {path for each in wanted for path in infos[each.path].references}
        standing = Standing()
        known = await self._parts.store.known_pushes(self.rule.id, below)
        standing.learn(list(known.values()))
        return standing

    async def _push_all(
        self, divided: Sequence[Sequence[Push]], infos: Mapping[StorePath, PathInfo], standing: Standing
    ) -> None:
        """Push several batches at once, each after those that it refers to."""
        room = anyio.Semaphore(self.rule.concurrent)
        over: dict[StorePath, anyio.Event] = {}

        async def one(batch: Sequence[Push], after: Collection[anyio.Event], done: anyio.Event) -> None:
            try:
                for each in after:
                    await each.wait()
                if not self._stopping and (not self.is_open or len(divided) == 1):
                    await self._push(batch, infos, standing)
            finally:
                done.set()
                room.release()

        async with anyio.create_task_group() as tasks:
            for batch in divided:
                await room.acquire()
                below = {path for each in batch for path in infos[each.path].references if path in over}
                done = anyio.Event()
                after = {over[path] for path in below}
                over.update((each.path, done) for each in batch)
                tasks.start_soon(one, batch, after, done, name=f"push to {self.rule.id}")

    async def _push(self, batch: Sequence[Push], infos: Mapping[StorePath, PathInfo], standing: Standing) -> None:
        parts, clock, cache = self._parts, self._parts.clock, self.rule.id
        ready, held = standing.sort(batch, infos, clock.now())
        await self._end(held)
        if not ready:
            return
        began, probing = clock.now(), self.is_open
        await parts.store.begin_pushes([each.id for each in ready], now=began)
        await parts.auditing.started(cache, ready)
        call = Call(self._cache, parts.seconds)
        outcomes = await call.push([each.path for each in ready])
        if is_unreachable(outcomes.values()):
            self._circuit.failed(clock.monotonic())
            self._failed(str(getattr(next(iter(outcomes.values())), "reason", "")))
        else:
            self._answered()
        now = clock.now()
        ends = [
            end_of(
                each,
                outcomes[each.path],
                attempts=each.attempts + 1,
                began=each.first_tried_at or began,
                now=now,
                probing=probing,
            )
            for each in ready
        ]
        await self._end(ends)
        standing.note(ready, ends)
        by_drv = _by_derivation(ready, outcomes)
        await parts.auditing.ended(cache, ready, by_drv, timed_out=call.timed_out)
        await self._write_logs(by_drv, call.transcript)

    async def _write_logs(
        self, outcomes: Mapping[DrvPath, Mapping[StorePath, PushOutcome]], transcript: Transcript
    ) -> None:
        logs = PushLogs(self._parts.logs_dir, self.rule.id)
        try:
            async with self._writing:  # what one derivation needs may be in two batches
                await anyio.to_thread.run_sync(logs.write, self._parts.clock.now(), outcomes, transcript)
        except InfrastructureFault as fault:
            self._parts.log.warning("push_not_logged", cache=self.rule.id, reason=str(fault))

    async def _end(self, ends: Sequence[PushEnd]) -> None:
        if ends:
            await self._parts.store.end_pushes(ends, now=self._parts.clock.now())

    def _answered(self) -> None:
        self._circuit.succeeded()
        if self.fault:
            self.fault = ""
            self._parts.log.info("cache_answers_again", cache=self.rule.id)

    def _failed(self, reason: str) -> None:
        self.fault = reason
        wait = self._circuit.wait(self._parts.clock.monotonic())
        self._parts.log.warning("cache_failed", cache=self.rule.id, reason=reason, left_alone_seconds=wait)


def _by_derivation(
    pushes: Sequence[Push], outcomes: Mapping[StorePath, PushOutcome]
) -> dict[DrvPath, dict[StorePath, PushOutcome]]:
    found: dict[DrvPath, dict[StorePath, PushOutcome]] = {}
    for each in pushes:
        found.setdefault(each.wanted.derivation, {})[each.path] = outcomes[each.path]
    return found

"""Look up the evaluation of one job on one checkout, or make it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio.to_thread
import attrs

from ekaci_core.api import Clock, EkaciError, EvaluationRequest, Evaluator, InfrastructureFault
from ekaci_core.bus import Broadcast
from ekaci_core.evaluation.drafts import Drafts, count_missing
from ekaci_core.evaluation.ingestion import Ingestion, ReadUnknown
from ekaci_core.evaluation.retention import retire
from ekaci_core.evaluation.roots import Lease, Roots
from ekaci_core.model.evaluation import AttributeFault, EvaluationKey
from ekaci_core.model.event import (
    EvaluationContinued,
    EvaluationFinished,
    EvaluationProgress,
    EvaluationStarted,
    ReviewEvent,
    ReviewSide,
)
from ekaci_core.nix.records import read_unknown
from ekaci_core.store.contract import EvaluationId, EvaluationRecord, Store

KEEP: Final = 20
_ATTEMPTS: Final = 3

RequestFactory = Callable[[Path], Awaitable[EvaluationRequest]]
"""Makes the request, given the directory for its gc roots; only now is a checkout needed."""


@attrs.frozen
class Evaluated:
    """An evaluation that can be read from the store. ``notes`` are sentences that a report should show."""

    record: EvaluationRecord
    cached: bool
    notes: tuple[str, ...] = ()


@attrs.frozen
class Lookup:
    """What was found, held from then on, or None; ``notes`` say why what was known is of no use any more."""

    record: EvaluationRecord | None
    notes: tuple[str, ...] = ()


class Evaluations:
    """Holds what it returned until it is closed, so that no other process drops it meanwhile.

    Attributes:
        dropped: how many evaluations had to go for what was evaluated.
    """

    def __init__(
        self,
        store: Store,
        evaluator: Evaluator,
        clock: Clock,
        roots_dir: Path,
        events: Broadcast[ReviewEvent],
        *,
        keep: int = KEEP,
        keep_seconds: float = math.inf,
        read: ReadUnknown = read_unknown,
    ) -> None:
        """Work with open parts.

        Args:
            store: where results are kept.
            evaluator: makes them.
            clock: tells the time.
            roots_dir: where gc roots go, a directory for one database alone.
            events: told of beginning, progress and end.
            keep: how many finished evaluations stay.
            keep_seconds: how long one stays that nobody uses.
            read: reads derivations from the Nix store.
        """
        self._store = store
        self._evaluator = evaluator
        self._clock = clock
        self._roots = Roots.at(roots_dir)
        self._drafts = Drafts(store, self._roots)
        self._events = events
        self._keep = keep
        self._keep_seconds = keep_seconds
        self._read = read
        self._leases: list[Lease] = []
        self.dropped = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._leases:
            self._leases.pop().release()

    async def evaluate(
        self, key: EvaluationKey, side: ReviewSide, request: RequestFactory, *, anew: bool = False
    ) -> Evaluated:
        """Return the evaluation of this key, looked up, or else made; ``anew``: made whatever is known."""
        found = Lookup(None) if anew else await self.look_up(key, side)
        if found.record is not None:
            return Evaluated(found.record, cached=True, notes=found.notes)
        made = await self.make(key, side, request, anew=anew)
        return attrs.evolve(made, notes=(*found.notes, *made.notes))

    async def look_up(self, key: EvaluationKey, side: ReviewSide) -> Lookup:
        """Find the evaluation of this key in the store, and hold it, if it is there and its derivations still are.

        Raises:
            InfrastructureFault: the store or the directory of gc roots fails.
        """
        began = self._clock.monotonic()
        found = await self._known(key)
        if found.record is not None:
            self._events.send(EvaluationStarted(side, key.job))
            self._events.send(EvaluationFinished(side, key.job, cached=True, seconds=self._clock.monotonic() - began))
        return found

    async def make(
        self,
        key: EvaluationKey,
        side: ReviewSide,
        request: RequestFactory,
        *,
        anew: bool = False,
        earlier: EvaluationRecord | None = None,
    ) -> Evaluated:
        """Evaluate, into the store.

        Two processes may both evaluate the same key; the results are the same. One that was interrupted is continued
        with the attributes that it has.

        Args:
            key: what decides the result.
            side: for events.
            request: makes the request.
            anew: continue nothing; the result is what is known from then on.
            earlier: an evaluation that is held here. What is reported as it was there is not stored again, if the two
                can be compared.

        Raises:
            EvaluatorUnavailable, InfrastructureFault: what is stored of the evaluation is continued the next time.
        """
        began = self._clock.monotonic()
        self._events.send(EvaluationStarted(side, key.job))
        record, passing = await self._fresh(key, side, request, anew=anew, earlier=_comparable(key, earlier))
        self._events.send(EvaluationFinished(side, key.job, cached=False, seconds=self._clock.monotonic() - began))
        return Evaluated(record, cached=False, notes=(*_tried_again(key, passing), *await self._retire()))

    async def _retire(self) -> tuple[str, ...]:
        try:
            since = self._clock.now() - self._keep_seconds
            self.dropped += await retire(self._store, self._roots, keep=self._keep, since=since)
        except InfrastructureFault as fault:  # no reason to withhold what was just evaluated
            return (f"Old evaluations could not be removed: {fault}.",)
        return ()

    async def _known(self, key: EvaluationKey) -> Lookup:
        for _ in range(_ATTEMPTS):  # another process may drop what was just found
            record = await self._store.find_evaluation(key)
            if record is None:
                return Lookup(None)
            lease = self._roots.use(record.gc_roots)
            if lease is None:
                return Lookup(None, (_rootless_note(key),))
            try:
                used = await self._store.use_evaluation(record.id, now=self._clock.now())
                missing = await self._vanished(record.id) if used else 0
                if used and not missing:
                    self._leases.append(lease)
                    return Lookup(record)
            finally:
                if lease not in self._leases:
                    lease.release()
            if missing:
                return Lookup(None, (_vanished_note(key, missing),))
        return Lookup(None)

    async def _vanished(self, evaluation: EvaluationId) -> int:
        paths = await self._store.evaluated_derivations(evaluation)
        return await anyio.to_thread.run_sync(count_missing, paths)

    async def _fresh(
        self,
        key: EvaluationKey,
        side: ReviewSide,
        request: RequestFactory,
        *,
        anew: bool,
        earlier: EvaluationId | None,
    ) -> tuple[EvaluationRecord, Sequence[AttributeFault]]:
        def report(state: Ingestion) -> None:
            self._events.send(EvaluationProgress(side, key.job, state.attributes, state.faults, state.derivations))

        began_at = self._clock.now()
        async with self._drafts.open(key, now=began_at, anew=anew) as draft:
            if draft.known:
                self._events.send(EvaluationContinued(side, key.job, len(draft.known)))
            ingestion = Ingestion(self._store, draft.id, report, read=self._read, known=draft.known, earlier=earlier)
            try:
                fingerprints = {} if earlier is None else await self._store.fingerprints(earlier)
                asked = await request(draft.lease.directory)
                asked = attrs.evolve(asked, known=draft.known, earlier=fingerprints)
                async with self._evaluator.evaluate(asked) as items:
                    await ingestion.take(items)
            except BaseExceptionGroup as group:
                raise _foremost(group) from group
            now = self._clock.now()
            if not ingestion.passing:
                await self._store.finish_evaluation(draft.id, now=now)
        self._leases.append(draft.lease)
        record = EvaluationRecord(draft.id, key, now, str(draft.lease.directory), now - began_at)
        return record, ingestion.passing


def _comparable(key: EvaluationKey, earlier: EvaluationRecord | None) -> EvaluationId | None:
    # The options tell how results are stored, too.
    if earlier is None or (earlier.key.evaluator, earlier.key.options) != (key.evaluator, key.options):
        return None
    return earlier.id


def _rootless_note(key: EvaluationKey) -> str:
    return f"The gc roots of an earlier evaluation of {key.job} are gone; it is evaluated again."


def _vanished_note(key: EvaluationKey, missing: int) -> str:
    what = "1 derivation" if missing == 1 else f"{missing} derivations"
    return f"{what} of an earlier evaluation of {key.job} vanished from the Nix store; it is evaluated again."


def _tried_again(key: EvaluationKey, passing: Sequence[AttributeFault]) -> tuple[str, ...]:
    # A fault of the whole job is plain to see anyway.
    named = [fault for fault in passing if fault.attr != ""]
    if not named:
        return ()
    first, others = named[0], f" and {len(named) - 1} more" if len(named) > 1 else ""
    what = f"{first.attr or 'an attribute'} ({first.kind.value.replace('_', ' ')})"
    return (f"The next evaluation of {key.job} tries these again, as their faults may pass: {what}{others}.",)


def _foremost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Find the error to show of those that happened together."""
    leaves: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, EkaciError)), leaves[0])

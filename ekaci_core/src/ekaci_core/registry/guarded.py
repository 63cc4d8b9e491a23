"""Open plugin objects as the rest of the program gets them: the same contracts, with a guard around each call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final

from ekaci_core.api import (
    Builder,
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    BuildState,
    Built,
    EkaciError,
    EvaluatedItem,
    EvaluationRequest,
    Evaluator,
    Logger,
    StorePath,
    System,
)
from ekaci_core.registry.apart import LEFT_BEHIND_AFTER_SECONDS
from ekaci_core.registry.guard import Translating, guarded

GRACE_SECONDS: Final = 120
"""How much longer than the request allows a builder may take to end an attempt: stopping processes takes time."""

_Batches = AsyncIterator[Sequence[EvaluatedItem]]
_Evaluation = AbstractAsyncContextManager[_Batches]


class GuardedBuilder:
    """A builder whose surprises are interruptions of one build. What it says of itself is read once, but for slots."""

    def __init__(self, inner: Builder, *, who: str, log: Logger) -> None:
        """Wrap an open builder.

        Raises:
            InfrastructureFault: it cannot even say its name, systems, features and slots.
        """
        self._inner = inner
        self._who = who
        self._log = log
        with Translating(who, log):
            self._name = str(inner.name)
            self._systems = frozenset(inner.systems)
            self._features = frozenset(inner.features)
            self._mandatory_features = frozenset(inner.mandatory_features)
            self._read_slots()
            self._speed_factor = float(inner.speed_factor)
            self._is_local = bool(inner.is_local)

    @property
    def name(self) -> str:
        """How reports and metrics name it."""
        return self._name

    @property
    def systems(self) -> frozenset[System]:
        """Platforms it builds for."""
        return self._systems

    @property
    def features(self) -> frozenset[str]:
        """System features it supports."""
        return self._features

    @property
    def mandatory_features(self) -> frozenset[str]:
        """Features without which it takes no build."""
        return self._mandatory_features

    @property
    def slots(self) -> int:
        """Builds it runs at once, now; none while it fails to say."""
        try:
            with Translating(self._who, self._log):
                return self._read_slots()
        except EkaciError:
            return 0

    def _read_slots(self) -> int:
        return max(0, int(self._inner.slots))

    @property
    def speed_factor(self) -> float:
        """How fast it is beside others."""
        return self._speed_factor

    @property
    def is_local(self) -> bool:
        """Whether it builds in this machine's own store."""
        return self._is_local

    def present(self, paths: Collection[StorePath]) -> int:
        """Say how many of these it is known to have; none where it fails to say."""
        try:
            with Translating(self._who, self._log):
                return int(self._inner.present(paths))
        except EkaciError:
            return 0

    async def prepare(self, request: BuildRequest) -> BuildInterrupted | None:
        """Bring to the builder what the build needs. Raises nothing but cancellation."""
        try:
            outcome: object = await guarded(
                lambda: self._inner.prepare(request),
                lambda surprise: self._interrupted(surprise.message),
                who=self._who,
                log=self._log,
                deadline_seconds=request.max_duration_seconds + GRACE_SECONDS,
                left_behind_after_seconds=LEFT_BEHIND_AFTER_SECONDS,
            )
        except EkaciError as error:
            return self._interrupted(str(error))
        if outcome is None or isinstance(outcome, BuildInterrupted):
            return outcome
        self._log.warning("plugin_failed", who=self._who, error=f"prepare returned {outcome!r}")
        return self._interrupted(f"returned {type(outcome).__name__}, which is no interruption")

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make one attempt. Raises nothing but cancellation."""
        deadline = request.max_duration_seconds + GRACE_SECONDS
        try:
            outcome = await guarded(
                lambda: self._inner.build(request),
                lambda surprise: self._interrupted(surprise.message),
                who=self._who,
                log=self._log,
                deadline_seconds=deadline,
                left_behind_after_seconds=LEFT_BEHIND_AFTER_SECONDS,
            )
        except EkaciError as error:
            return self._interrupted(str(error))
        return self._checked(outcome)

    def _checked(self, outcome: object) -> BuildOutcome:
        if isinstance(outcome, Built | BuildFailed | BuildInterrupted):
            return outcome
        self._log.warning("plugin_failed", who=self._who, error=f"build returned {outcome!r}")
        return self._interrupted(f"returned {type(outcome).__name__}, which is no outcome")

    def _interrupted(self, reason: str) -> BuildInterrupted:
        return BuildInterrupted(BuildState.PROCESS_DEATH, f"{self._who}: {reason}", infrastructure=True)


class GuardedEvaluator:
    """An evaluator whose surprises are faults that name it."""

    def __init__(self, inner: Evaluator, *, who: str, log: Logger) -> None:
        """Wrap an open evaluator."""
        self._inner = inner
        self._who = who
        self._log = log

    @property
    def identity(self) -> str:
        """Name and version, part of the cache key."""
        with Translating(self._who, self._log):
            return self._inner.identity

    def evaluate(self, request: EvaluationRequest) -> _Evaluation:
        """Evaluate a job, as the contract says.

        Raises:
            InfrastructureFault: also for whatever the evaluator raises against its contract.
        """
        return _GuardedEvaluation(self._inner, request, Translating(self._who, self._log))


class _GuardedEvaluation(_Evaluation):
    def __init__(self, evaluator: Evaluator, request: EvaluationRequest, boundary: Translating) -> None:
        self._evaluator = evaluator
        self._request = request
        self._boundary = boundary
        self._inner: _Evaluation | None = None

    async def __aenter__(self) -> _Batches:
        with self._boundary:
            self._inner = self._evaluator.evaluate(self._request)
            return _GuardedBatches(await self._inner.__aenter__(), self._boundary)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._inner is None:
            return None
        with self._boundary.sparing(error):
            return await self._inner.__aexit__(kind, error, trace)


class _GuardedBatches(_Batches):
    def __init__(self, inner: _Batches, boundary: Translating) -> None:
        self._inner = inner
        self._boundary = boundary

    async def __anext__(self) -> Sequence[EvaluatedItem]:
        with self._boundary:
            return await self._inner.__anext__()

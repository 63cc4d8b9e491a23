"""What every store can do. Services depend on this, never on a database.

A derivation has a number in its store. Numbers grow from inputs to dependents: every input's number is smaller than
that of what needs it, so ascending order is a topological order, and a derivation is only stored together with, or
after, its whole closure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NewType, Protocol

import attrs

from ekaci_core.api import TransientKind
from ekaci_core.graph.dag import Dag
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import AttributeFault, EvaluatedItem, EvaluationKey
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.model.package import PackageMeta
from ekaci_core.store.cancellation import Cancellations
from ekaci_core.store.numbered import NumberedRecord
from ekaci_core.store.serving import ServingStore

EvaluationId = NewType("EvaluationId", int)
DerivationId = NewType("DerivationId", int)
MetaId = NewType("MetaId", int)
AttemptId = NewType("AttemptId", int)


@attrs.frozen
class EvaluationRecord:
    """A finished evaluation. ``gc_roots`` is the directory that keeps its derivations alive."""

    id: EvaluationId
    key: EvaluationKey
    finished_at: float
    gc_roots: str
    duration: float


@attrs.frozen
class StoredAttribute:
    """An attribute of an evaluation. Equal ``meta`` numbers mean equal metadata.

    ``pname`` and ``version`` are the package's own, None where the evaluator reported none.
    """

    attr: AttrPath
    derivation: DerivationId
    name: str
    system: System
    meta: MetaId | None
    pname: str | None = None
    version: str | None = None


@attrs.frozen
class EvaluationContents:
    """All attributes of one evaluation."""

    attributes: Mapping[AttrPath, StoredAttribute]
    faults: tuple[AttributeFault, ...]
    nulls: int


@attrs.frozen
class EvaluationUse:
    """What retention needs of an evaluation. ``used_at`` is when it was begun, continued, finished or last used.

    ``obsolete`` is an unfinished one that is not worth continuing: it has no attributes, or there is a finished one
    of its key.
    """

    id: EvaluationId
    gc_roots: str
    finished: bool
    used_at: float
    obsolete: bool = False


class UnknownDerivation(LookupError):
    """A derivation that is not stored where one that is stored is needed: a fault of the caller."""


class UnknownAttribute(LookupError):
    """An attribute said to be as in an evaluation that does not have it, or not any more."""


@attrs.frozen
class BuildChange:
    """A transition to record: the state after it, when and why. ``key`` saves looking the derivation up."""

    build: Build
    at: float
    cause: str
    key: int | None = None


@attrs.frozen
class BuildStart:
    """A build about to begin. ``build`` is the state that it has as far as the asker knows."""

    key: DerivationId
    build: Build
    builder: str
    log_path: str | None


@attrs.frozen
class BuildBegun:
    """It is ours, it is recorded as building, and this is its attempt."""

    attempt: AttemptId


@attrs.frozen
class BuildHeld:
    """Another worker has it."""

    worker: str


@attrs.frozen
class BuildChanged:
    """It is ours, but its state is another one than was thought; nothing else was recorded."""

    build: Build | None


StartAnswer = BuildBegun | BuildHeld | BuildChanged


@attrs.frozen
class AttemptEnd:
    """How an attempt ended.

    ``learnt`` is what was built, in the words of whoever asks for durations, and seconds. ``kind`` says that the reason
    may pass by itself.
    """

    attempt: AttemptId
    at: float
    exit_status: int | None
    outcome: BuildState
    reason: str
    learnt: Sequence[tuple[str, float]] = ()
    kind: TransientKind | None = None


@attrs.define
class BuildWrites:
    """What is to be written of builds together, in this order: ends of attempts, changes, claims given up, starts."""

    ends: list[AttemptEnd] = attrs.field(factory=list)
    changes: list[BuildChange] = attrs.field(factory=list)
    releases: list[int] = attrs.field(factory=list)
    starts: list[BuildStart] = attrs.field(factory=list)

    def __bool__(self) -> bool:
        return bool(self.ends or self.changes or self.releases or self.starts)


@attrs.frozen
class Attempt:
    """One run of a builder. ``ended_at`` is None while it runs, or where the process that ran it died.

    ``outcome`` is what the attempt came to: of one that ended for a reason that may pass, the interruption, with the
    reason's ``kind``.
    """

    id: AttemptId
    drv: DrvPath
    builder: str
    started_at: float
    log_path: str | None
    ended_at: float | None = None
    exit_status: int | None = None
    outcome: BuildState | None = None
    reason: str = ""
    kind: TransientKind | None = None


class Store(Cancellations, ServingStore, Protocol):
    """Reads see all that was written before them; each writing method is one transaction, unless it says otherwise.

    A write that was begun is finished even if the caller is cancelled meanwhile. Builds, claims and attempts are of
    stored derivations; writing one of another raises `UnknownDerivation`, reading leaves it out.

    Raises (any method):
        InfrastructureFault: no space left, the file is unreadable, or locked for longer than a minute.
    """

    # --- evaluations ---

    async def find_evaluation(self, key: EvaluationKey) -> EvaluationRecord | None:
        """Return the newest finished evaluation of this key."""
        ...

    async def begin_evaluation(self, key: EvaluationKey, *, now: float, gc_roots: str) -> EvaluationId:
        """Open a new evaluation. It stays invisible to `find_evaluation` until it is finished."""
        ...

    async def unfinished_evaluations(self, key: EvaluationKey) -> Sequence[EvaluationUse]:
        """Return those of this key with attributes but not finished, the last used first; some may be in the making."""
        ...

    async def continue_evaluation(self, evaluation: EvaluationId, *, now: float) -> bool:
        """Take up an unfinished evaluation: its attributes stay, faults and nulls are forgotten, it begins now.

        Returns False if it is gone or was finished.
        """
        ...

    async def known_derivations(self, paths: Collection[DrvPath]) -> frozenset[DrvPath]:
        """Say which of these are stored (and so their closures)."""
        ...

    async def add_evaluated(
        self,
        evaluation: EvaluationId,
        derivations: Sequence[DerivationRecord],
        items: Sequence[EvaluatedItem],
        *,
        earlier: EvaluationId | None = None,
    ) -> None:
        """Store derivations, inputs before dependents, and items whose derivations are stored by then.

        A derivation that is stored already (by another process, say) is left as it is, and an attribute that is
        given twice is stored as it was given last. An `UnchangedAttribute` is stored as the evaluation ``earlier`` has
        it.

        Raises:
            UnknownDerivation: an input, or the derivation of an attribute, is not stored; nothing is.
            UnknownAttribute: there is no ``earlier``, or it lacks an attribute that is unchanged; nothing is stored.
        """
        ...

    async def fingerprints(self, evaluation: EvaluationId) -> Mapping[AttrPath, bytes]:
        """Return the fingerprints of those attributes of an evaluation that have one."""
        ...

    async def finish_evaluation(self, evaluation: EvaluationId, *, now: float) -> None:
        """Make it visible."""
        ...

    async def drop_evaluations(self, evaluations: Collection[EvaluationId]) -> None:
        """Forget evaluations, finished or not; derivations and builds stay."""
        ...

    async def evaluations(self) -> Sequence[EvaluationUse]:
        """Return all evaluations, finished or not, the last used first."""
        ...

    async def use_evaluation(self, evaluation: EvaluationId, *, now: float) -> bool:
        """Note that a finished evaluation is used now. Returns False if it is gone or was never finished."""
        ...

    async def evaluated_derivations(self, evaluation: EvaluationId) -> frozenset[DrvPath]:
        """Return the derivations that are attributes of an evaluation."""
        ...

    async def contents(self, evaluation: EvaluationId) -> EvaluationContents:
        """Return all attributes and faults."""
        ...

    async def metas(self, ids: Collection[MetaId]) -> Mapping[MetaId, PackageMeta]:
        """Return metadata by number."""
        ...

    # --- derivations ---

    async def derivations(self, ids: Collection[DerivationId]) -> Mapping[DerivationId, DerivationRecord]:
        """Return derivations by number."""
        ...

    async def inputs(self, ids: Collection[DerivationId]) -> Mapping[DerivationId, Sequence[int]]:
        """Return the numbers of what these need directly, in the order in which `derivations` has their paths."""
        ...

    async def derivations_with_inputs(self, ids: Collection[DerivationId]) -> Mapping[DerivationId, NumberedRecord]:
        """Return derivations by number, with the numbers of their inputs."""
        ...

    async def derivation_ids(self, paths: Collection[DrvPath]) -> Mapping[DrvPath, DerivationId]:
        """Return the numbers of those that are stored."""
        ...

    async def closure(self, roots: Collection[DerivationId], *, beyond: Collection[DerivationId] = ()) -> Dag:
        """Return the graph of these derivations and all they need; its keys are derivation numbers.

        What ``beyond`` and all they need have as well is left out, with the edges to it.
        """
        ...

    async def add_derivations(self, derivations: Sequence[DerivationRecord]) -> None:
        """Store derivations, inputs before dependents, as `add_evaluated` does, of no evaluation."""
        ...

    async def derivations_with_hash(self, hash_part: str) -> frozenset[DrvPath]:
        """Return the stored derivations whose paths have these 32 characters."""
        ...

    async def dependents(self, derivation: DerivationId) -> Mapping[DerivationId, int]:
        """Return all that need this, with the number of steps of the shortest way there, ascending by derivation."""
        ...

    # --- builds ---

    async def builds(self, drvs: Collection[DrvPath]) -> Mapping[DrvPath, Build]:
        """Return what is known of the builds of these; absent means never queued."""
        ...

    async def unfinished_builds(self) -> Mapping[DerivationId, Build]:
        """Return the builds that are in no terminal state, ascending by derivation."""
        ...

    async def last_changes(self, drvs: Collection[DrvPath]) -> Mapping[DrvPath, BuildChange]:
        """Return the present states of the builds of these, with when and why each came to it. Slow where many are."""
        ...

    async def record_builds(self, changes: Sequence[BuildChange]) -> None:
        """Store states, failures and blockers, and one event row each, in order."""
        ...

    async def write_builds(
        self, writes: BuildWrites, worker: str, *, now: float, until: float
    ) -> Sequence[StartAnswer]:
        """Record what happened to builds of this worker, all of it or nothing, and begin others.

        Each that begins is claimed until ``until``; where its state is the expected one, an attempt is recorded and
        that it builds.
        """
        ...

    async def renew_claims(self, worker: str, *, until: float) -> None:
        """Prolong every lease that a worker still has."""
        ...

    async def release_claims(self, worker: str) -> None:
        """Give up every lease of a worker."""
        ...

    async def claim(self, drv: DrvPath, worker: str, *, now: float, until: float) -> str | None:
        """Lease a derivation to ``worker``, so that no other builds it meanwhile; renews one's own lease.

        Returns None if the lease is ours, else the worker who holds it and whose lease has not ended.
        """
        ...

    async def release(self, drv: DrvPath, worker: str) -> None:
        """Give up one's own lease; does nothing if it is not one's own."""
        ...

    async def claims(self) -> Mapping[DrvPath, str]:
        """Return who holds what, leases that have ended included: what dead workers had in hand is among it."""
        ...

    async def begin_attempt(self, drv: DrvPath, *, builder: str, log_path: str | None, now: float) -> AttemptId:
        """Record that a builder starts."""
        ...

    async def end_attempt(
        self,
        attempt: AttemptId,
        *,
        now: float,
        exit_status: int | None,
        outcome: BuildState,
        reason: str,
        kind: TransientKind | None = None,
    ) -> None:
        """Record how it ended; ``kind`` says that the reason may pass by itself."""
        ...

    async def attempts(self, drvs: Collection[DrvPath]) -> Mapping[DrvPath, Sequence[Attempt]]:
        """Return all attempts at each that has any, the first one first."""
        ...

    async def open_attempts(self) -> Sequence[Attempt]:
        """Return the attempts without an end at what somebody has claimed, whether that worker lives or not."""
        ...

    async def durations(self, subjects: Collection[str]) -> Mapping[str, float]:
        """Return how many seconds it took to build these, as far as it was learnt."""
        ...

    async def last_attempts(self, drvs: Collection[DrvPath]) -> Mapping[DrvPath, Attempt]:
        """Return the newest attempt at each that has one."""
        ...

    async def flaky(self, drvs: Collection[DrvPath]) -> frozenset[DrvPath]:
        """Say which of these failed in one attempt and succeeded in a later one, by `failed_then_passed`."""
        ...

    async def mentioned_attempts(self) -> frozenset[DrvPath]:
        """Return the attempted derivations that are in the closure of an evaluation, finished or not."""
        ...

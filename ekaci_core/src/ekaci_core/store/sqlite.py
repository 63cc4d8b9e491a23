"""The store over SQLite, in a file or in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from ekaci_core.api import TransientKind
from ekaci_core.graph.dag import Dag
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.evaluation import EvaluatedItem, EvaluationKey
from ekaci_core.model.ids import AttrPath, DrvPath
from ekaci_core.model.package import PackageMeta
from ekaci_core.store import (
    attempts,
    build_batches,
    builds,
    cancellations,
    claims,
    deliveries,
    derivations,
    evaluations,
    metadata,
)
from ekaci_core.store.cancellation import Cancellation, CancellationId
from ekaci_core.store.contract import (
    Attempt,
    AttemptId,
    BuildChange,
    BuildWrites,
    DerivationId,
    EvaluationContents,
    EvaluationId,
    EvaluationRecord,
    EvaluationUse,
    MetaId,
    StartAnswer,
    Store,
)
from ekaci_core.store.database import MEMORY, Database, connected
from ekaci_core.store.derivations import add as add_derivations
from ekaci_core.store.evaluations import drop as drop_evaluations
from ekaci_core.store.group_commit import GroupCommit
from ekaci_core.store.migrate import migrations, prepare
from ekaci_core.store.numbered import NumberedRecord
from ekaci_core.store.sqlite_audit import SqliteAudit
from ekaci_core.store.sqlite_deliveries import SqliteDeliveries
from ekaci_core.store.sqlite_forge_facts import SqliteForgeFacts
from ekaci_core.store.sqlite_hook_executions import SqliteHookExecutions
from ekaci_core.store.sqlite_outbox import SqliteOutbox
from ekaci_core.store.sqlite_pushes import SqlitePushes
from ekaci_core.store.sqlite_review_checks import SqliteReviewChecks
from ekaci_core.store.sqlite_reviews import SqliteReviews
from ekaci_core.store.sqlite_tallies import SqliteTallies

_READERS: Final = 2


@asynccontextmanager
async def open_store(path: Path | None) -> AsyncIterator[Store]:
    """Open the database at ``path``, made with its directory if it is not there; None opens one in memory.

    Raises:
        InfrastructureFault: it cannot be opened, is damaged, or is of a newer or another program.
    """
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InfrastructureFault(
                f"the directory of the database cannot be made ({error.strerror})",
                where=str(path.parent),
                do="Check its path and permissions, or set XDG_CACHE_HOME or XDG_DATA_HOME to another directory.",
            ) from error
    where = MEMORY if path is None else str(path)
    ready = partial(prepare, where=where, steps=migrations())
    async with connected(path, readers=_READERS, prepare=ready) as database:
        yield SqliteStore(database)


class SqliteStore(
    SqliteAudit,
    SqliteDeliveries,
    SqliteForgeFacts,
    SqliteHookExecutions,
    SqliteOutbox,
    SqlitePushes,
    SqliteReviewChecks,
    SqliteReviews,
    SqliteTallies,
):
    """Hands each call to the module of its aggregate, as one transaction; see `Store` for what they mean."""

    def __init__(self, database: Database) -> None:
        """Work on an open, migrated database."""
        self._database = database
        self._arriving = GroupCommit(database, deliveries.add)

    async def find_evaluation(self, key: EvaluationKey) -> EvaluationRecord | None:
        """See `Store`."""
        return await self._database.read(lambda tx: evaluations.find(tx, key))

    async def begin_evaluation(self, key: EvaluationKey, *, now: float, gc_roots: str) -> EvaluationId:
        """See `Store`."""
        return await self._database.write(lambda tx: evaluations.begin(tx, key, now, gc_roots))

    async def unfinished_evaluations(self, key: EvaluationKey) -> Sequence[EvaluationUse]:
        """See `Store`."""
        return await self._database.read(lambda tx: evaluations.unfinished(tx, key))

    async def continue_evaluation(self, evaluation: EvaluationId, *, now: float) -> bool:
        """See `Store`."""
        return await self._database.write(lambda tx: evaluations.take_up(tx, evaluation, now))

    async def known_derivations(self, paths: Collection[DrvPath]) -> frozenset[DrvPath]:
        """See `Store`."""
        return await self._database.read(lambda tx: frozenset(derivations.ids(tx, paths)))

    async def add_evaluated(
        self,
        evaluation: EvaluationId,
        derivations: Sequence[DerivationRecord],
        items: Sequence[EvaluatedItem],
        *,
        earlier: EvaluationId | None = None,
    ) -> None:
        """See `Store`."""
        await self._database.write(lambda tx: evaluations.add(tx, evaluation, derivations, items, earlier))

    async def fingerprints(self, evaluation: EvaluationId) -> Mapping[AttrPath, bytes]:
        """See `Store`."""
        return await self._database.read(lambda tx: evaluations.fingerprints(tx, evaluation))

    async def finish_evaluation(self, evaluation: EvaluationId, *, now: float) -> None:
        """See `Store`."""
        await self._database.write(lambda tx: evaluations.finish(tx, evaluation, now))

    async def drop_evaluations(self, evaluations: Collection[EvaluationId]) -> None:
        """See `Store`."""
        await self._database.write(lambda tx: drop_evaluations(tx, evaluations))

    async def evaluations(self) -> Sequence[EvaluationUse]:
        """See `Store`."""
        return await self._database.read(evaluations.every)

    async def use_evaluation(self, evaluation: EvaluationId, *, now: float) -> bool:
        """See `Store`."""
        return await self._database.write(lambda tx: evaluations.use(tx, evaluation, now))

    async def evaluated_derivations(self, evaluation: EvaluationId) -> frozenset[DrvPath]:
        """See `Store`."""
        return await self._database.read(lambda tx: evaluations.evaluated_derivations(tx, evaluation))

    async def contents(self, evaluation: EvaluationId) -> EvaluationContents:
        """See `Store`."""
        return await self._database.read(lambda tx: evaluations.contents(tx, evaluation))

    async def metas(self, ids: Collection[MetaId]) -> Mapping[MetaId, PackageMeta]:
        """See `Store`."""
        return await self._database.read(lambda tx: metadata.by_id(tx, ids))

    async def derivations(self, ids: Collection[DerivationId]) -> Mapping[DerivationId, DerivationRecord]:
        """See `Store`."""
        return await self._database.read(lambda tx: derivations.by_id(tx, ids))

    async def inputs(self, ids: Collection[DerivationId]) -> Mapping[DerivationId, Sequence[int]]:
        """See `Store`."""
        return await self._database.read(lambda tx: derivations.inputs(tx, ids))

    async def derivations_with_inputs(self, ids: Collection[DerivationId]) -> Mapping[DerivationId, NumberedRecord]:
        """See `Store`."""
        return await self._database.read(lambda tx: derivations.numbered(tx, ids))

    async def derivation_ids(self, paths: Collection[DrvPath]) -> Mapping[DrvPath, DerivationId]:
        """See `Store`."""
        return await self._database.read(lambda tx: derivations.ids(tx, paths))

    async def closure(self, roots: Collection[DerivationId], *, beyond: Collection[DerivationId] = ()) -> Dag:
        """See `Store`."""
        return await self._database.read(lambda tx: derivations.closure(tx, roots, beyond))

    async def add_derivations(self, derivations: Sequence[DerivationRecord]) -> None:
        """See `Store`."""
        await self._database.write(lambda tx: add_derivations(tx, derivations))

    async def derivations_with_hash(self, hash_part: str) -> frozenset[DrvPath]:
        """See `Store`."""
        return await self._database.read(lambda tx: derivations.with_hash(tx, hash_part))

    async def dependents(self, derivation: DerivationId) -> Mapping[DerivationId, int]:
        """See `Store`."""
        return await self._database.read(lambda tx: derivations.dependents(tx, derivation))

    async def unfinished_builds(self) -> Mapping[DerivationId, Build]:
        """See `Store`."""
        return await self._database.read(builds.unfinished)

    async def last_changes(self, drvs: Collection[DrvPath]) -> Mapping[DrvPath, BuildChange]:
        """See `Store`."""
        return await self._database.read(lambda tx: builds.last_changes(tx, drvs))

    async def builds(self, drvs: Collection[DrvPath]) -> Mapping[DrvPath, Build]:
        """See `Store`."""
        return await self._database.read(lambda tx: builds.of(tx, drvs))

    async def record_builds(self, changes: Sequence[BuildChange]) -> None:
        """See `Store`."""
        await self._database.write(lambda tx: builds.record(tx, changes))

    async def write_builds(
        self, writes: BuildWrites, worker: str, *, now: float, until: float
    ) -> Sequence[StartAnswer]:
        """See `Store`."""
        return await self._database.write(
            lambda tx: build_batches.write(tx, writes, worker=worker, now=now, until=until)
        )

    async def renew_claims(self, worker: str, *, until: float) -> None:
        """See `Store`."""
        await self._database.write(lambda tx: build_batches.renew(tx, worker, until))

    async def release_claims(self, worker: str) -> None:
        """See `Store`."""
        await self._database.write(lambda tx: build_batches.release_all(tx, worker))

    async def claim(self, drv: DrvPath, worker: str, *, now: float, until: float) -> str | None:
        """See `Store`."""
        return await self._database.write(lambda tx: claims.claim(tx, drv, worker, now, until))

    async def release(self, drv: DrvPath, worker: str) -> None:
        """See `Store`."""
        await self._database.write(lambda tx: claims.release(tx, drv, worker))

    async def claims(self) -> Mapping[DrvPath, str]:
        """See `Store`."""
        return await self._database.read(claims.held)

    async def begin_attempt(self, drv: DrvPath, *, builder: str, log_path: str | None, now: float) -> AttemptId:
        """See `Store`."""
        return await self._database.write(
            lambda tx: attempts.begin(tx, drv, builder=builder, log_path=log_path, now=now)
        )

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
        """See `Store`."""
        await self._database.write(
            lambda tx: attempts.end(
                tx, attempt, now=now, exit_status=exit_status, outcome=outcome, reason=reason, kind=kind
            )
        )

    async def attempts(self, drvs: Collection[DrvPath]) -> Mapping[DrvPath, Sequence[Attempt]]:
        """See `Store`."""
        return await self._database.read(lambda tx: attempts.of(tx, drvs))

    async def open_attempts(self) -> Sequence[Attempt]:
        """See `Store`."""
        return await self._database.read(attempts.unended)

    async def ask_cancellation(self, drv: DrvPath, *, now: float) -> CancellationId:
        """See `Cancellations`."""
        return await self._database.write(lambda tx: cancellations.ask(tx, drv, now))

    async def cancellations(self, *, after: int = 0) -> Sequence[Cancellation]:
        """See `Cancellations`."""
        return await self._database.read(lambda tx: cancellations.after(tx, after))

    async def end_cancellations(self, *, before: float) -> None:
        """See `Cancellations`."""
        await self._database.write(lambda tx: cancellations.end_before(tx, before))

    async def end_cancellation(self, cancellation: CancellationId) -> None:
        """See `Cancellations`."""
        await self._database.write(lambda tx: cancellations.end(tx, cancellation))

    async def durations(self, subjects: Collection[str]) -> Mapping[str, float]:
        """See `Store`."""
        return await self._database.read(lambda tx: build_batches.durations(tx, subjects))

    async def last_attempts(self, drvs: Collection[DrvPath]) -> Mapping[DrvPath, Attempt]:
        """See `Store`."""
        return await self._database.read(lambda tx: attempts.last(tx, drvs))

    async def flaky(self, drvs: Collection[DrvPath]) -> frozenset[DrvPath]:
        """See `Store`."""
        return await self._database.read(lambda tx: attempts.flaky(tx, drvs))

    async def mentioned_attempts(self) -> frozenset[DrvPath]:
        """See `Store`."""
        return await self._database.read(attempts.mentioned)

"""One evaluation on its way into the store, while the evaluator still runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Final

import anyio
import anyio.from_thread
import anyio.to_thread

from ekaci_core.evaluation.batches import Batches
from ekaci_core.evaluation.passing import may_pass
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem, UnchangedAttribute
from ekaci_core.model.ids import AttrPath, DrvPath
from ekaci_core.nix.records import read_unknown
from ekaci_core.store.contract import EvaluationId, Store, UnknownAttribute

CAPACITY: Final = 4000
GROUP: Final = 250
"""In one transaction: while it runs no delivery is acknowledged."""
PATIENCE_SECONDS: Final = 0.5

ReadUnknown = Callable[
    [Collection[DrvPath], Callable[[Collection[DrvPath]], Collection[DrvPath]]], Sequence[DerivationRecord]
]


class Ingestion:
    """Reads what is new below each attribute and stores both in transactions of many.

    Attributes:
        attributes: derivations known or reported so far.
        faults: faults reported so far.
        derivations: derivations added to the store so far.
        passing: reported faults that may be gone next time.
    """

    def __init__(
        self,
        store: Store,
        evaluation: EvaluationId,
        on_progress: Callable[[Ingestion], None],
        *,
        read: ReadUnknown = read_unknown,
        known: Collection[AttrPath] = frozenset(),
        earlier: EvaluationId | None = None,
    ) -> None:
        """Write into an evaluation that was begun.

        Args:
            store: where to.
            evaluation: which.
            on_progress: called whenever a figure grew.
            read: reads derivations and all they need from the Nix store, except what is known.
            known: attributes that it has; what else is reported of them is left out.
            earlier: the evaluation that has what is reported as unchanged; the caller sees to it that it stays.
        """
        self.attributes = len(known)
        self.faults = 0
        self.derivations = 0
        self.passing: list[AttributeFault] = []
        self._store = store
        self._evaluation = evaluation
        self._on_progress = on_progress
        self._read = read
        self._known = known
        self._earlier = earlier
        self._stored: set[DrvPath] = set()

    async def take(self, items: AsyncIterator[Sequence[EvaluatedItem]]) -> None:
        """Store all that an evaluator yields.

        Raises:
            InfrastructureFault: the store failed, or a derivation or what is unchanged vanished. What the evaluator
                raises passes as well; either may come inside an exception group.
        """
        batches: Batches[EvaluatedItem] = Batches(capacity=CAPACITY, group=GROUP, patience_seconds=PATIENCE_SECONDS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._store_all, batches, name="store evaluated items")
            async for reported in items:
                batch = [item for item in reported if item.attr not in self._known] if self._known else reported
                self._count(batch)
                await batches.put(batch)
            batches.close()

    def _count(self, batch: Sequence[EvaluatedItem]) -> None:
        for item in batch:
            if isinstance(item, EvaluatedAttribute | UnchangedAttribute):
                self.attributes += 1
            elif isinstance(item, AttributeFault):
                self.faults += 1
                if may_pass(item):
                    self.passing.append(item)
        self._on_progress(self)

    async def _store_all(self, batches: Batches[EvaluatedItem]) -> None:
        while items := await batches.take():
            # The store has the derivations of what is unchanged, and with each all that it needs.
            self._stored.update(item.drv for item in items if isinstance(item, UnchangedAttribute))
            roots = dict.fromkeys(item.drv for item in items if isinstance(item, EvaluatedAttribute))
            records = await anyio.to_thread.run_sync(self._read, list(roots), self._known_among) if roots else ()
            try:
                await self._store.add_evaluated(self._evaluation, records, items, earlier=self._earlier)
            except UnknownAttribute as unknown:
                raise InfrastructureFault(
                    "an earlier evaluation is no longer what it was when this one began",
                    where=str(unknown),
                    do="Run again; with `--fresh` if it happens again.",
                ) from unknown
            self._stored.update(record.path for record in records)
            self.derivations += len(records)
            self._on_progress(self)

    def _known_among(self, paths: Collection[DrvPath]) -> Collection[DrvPath]:
        asked = [path for path in paths if path not in self._stored]
        if asked:
            self._stored.update(anyio.from_thread.run(self._store.known_derivations, asked))
        return self._stored.intersection(paths)

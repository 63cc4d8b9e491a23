"""Evaluations in the making: begun, interrupted, and taken up again by whoever wants the same."""

from __future__ import annotations

import os.path
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.to_thread
import attrs

from ekaci_core.evaluation.roots import Lease, Roots
from ekaci_core.model.errors import EkaciError, InfrastructureFault
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.ids import AttrPath, DrvPath
from ekaci_core.store.contract import EvaluationId, EvaluationUse, Store

_CLEAN_UP_SECONDS: Final = 10.0


@attrs.frozen
class Draft:
    """An evaluation that only its maker writes to. ``known`` are the attributes that it has from an earlier maker."""

    id: EvaluationId
    lease: Lease
    known: frozenset[AttrPath] = frozenset()


class Drafts:
    """Those of one database."""

    def __init__(self, store: Store, roots: Roots) -> None:
        self._store = store
        self._roots = roots

    @asynccontextmanager
    async def open(self, key: EvaluationKey, *, now: float, anew: bool = False) -> AsyncIterator[Draft]:
        """Continue an evaluation of this key that nobody is making, or begin one; its lease is the caller's in the end.

        On cancellation, and when the machine is at fault, what was stored stays for the next one to continue. Nothing
        stays of an evaluation that has no attributes yet, or was ended by any other error.

        Args:
            key: what is evaluated.
            now: when.
            anew: begin one, whatever there is to continue.

        Raises:
            InfrastructureFault: the store or the directory of gc roots fails.
        """
        draft = (None if anew else await self._taken_up(key, now)) or await self._begun(key, now)
        try:
            yield draft
        except BaseException as error:
            with anyio.move_on_after(_CLEAN_UP_SECONDS, shield=True):
                await self._leave(draft, error)
            raise

    async def _taken_up(self, key: EvaluationKey, now: float) -> Draft | None:
        for use in await self._store.unfinished_evaluations(key):
            lease = self._roots.take_up(use.gc_roots)
            draft = None
            if lease is not None:
                try:
                    draft = await self._continued(use, lease, now)
                finally:
                    if draft is None:
                        lease.release()
            if draft is not None:
                return draft
        return None

    async def _continued(self, use: EvaluationUse, lease: Lease, now: float) -> Draft | None:
        paths = await self._store.evaluated_derivations(use.id)
        if await anyio.to_thread.run_sync(count_missing, paths):
            return None
        if not await self._store.continue_evaluation(use.id, now=now):
            return None
        contents = await self._store.contents(use.id)
        return Draft(use.id, lease, frozenset(contents.attributes))

    async def _begun(self, key: EvaluationKey, now: float) -> Draft:
        lease = self._roots.new()
        try:
            return Draft(await self._store.begin_evaluation(key, now=now, gc_roots=str(lease.directory)), lease)
        except BaseException as error:
            with anyio.move_on_after(_CLEAN_UP_SECONDS, shield=True):
                await self._discard(None, lease, error)
            raise

    async def _leave(self, draft: Draft, error: BaseException) -> None:
        try:
            if not await self._is_of_use(draft, error):
                await self._discard(draft.id, draft.lease, error)
        except EkaciError as second:
            error.add_note(f"Nor could the store be asked what to keep: {second}")
        finally:
            draft.lease.release()

    async def _is_of_use(self, draft: Draft, error: BaseException) -> bool:
        # After a defect, what was stored before it is not to be relied on.
        if isinstance(error, Exception) and not isinstance(error, InfrastructureFault):
            return False
        return bool(await self._store.evaluated_derivations(draft.id))

    async def _discard(self, evaluation: EvaluationId | None, lease: Lease, error: BaseException) -> None:
        # What is left over here goes when evaluations are retired; the first error is the one to be seen.
        try:
            if evaluation is not None:
                await self._store.drop_evaluations([evaluation])
            await anyio.to_thread.run_sync(lease.remove)
        except EkaciError as second:
            error.add_note(f"Nor could its traces be removed: {second}")
        finally:
            lease.release()


def count_missing(paths: Collection[DrvPath]) -> int:
    """Count the derivations whose files are gone."""
    return sum(not os.path.lexists(path) for path in paths)

"""Which evaluations are kept, and how the others go: never one that a process is using."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import anyio

from ekaci_core.evaluation.roots import Lease, Roots
from ekaci_core.store.contract import EvaluationUse, Store


def surplus(uses: Sequence[EvaluationUse], keep: int, since: float = -math.inf) -> list[EvaluationUse]:
    """Choose what may go: what nobody can continue or needs to, and all but the ``keep`` that were used last.

    Of those, too, go the ones that nobody used ``since`` then.
    """
    useful = sorted((use for use in uses if not use.obsolete), key=lambda use: (use.used_at, use.id), reverse=True)
    old = [use for use in useful[:keep] if use.used_at < since]
    return [use for use in uses if use.obsolete] + useful[keep:] + old


async def retire(store: Store, roots: Roots, *, keep: int, since: float = -math.inf) -> int:
    """Drop surplus evaluations with their gc roots, and roots of evaluations that nothing knows of.

    Returns how many evaluations went.

    Raises:
        InfrastructureFault: the store or the directory fails.
    """
    with ExitStack() as held:
        leases: dict[str, Lease] = {}
        for directory in _candidates(await store.evaluations(), roots, keep, since):
            lease = roots.take_over(directory)
            if lease is not None:
                leases[str(directory)] = lease
                held.callback(lease.release)
        # What was free may have been finished or used between the look and the lock.
        uses = await store.evaluations()
        going = [use for use in surplus(uses, keep, since) if use.gc_roots in leases or not _may_be_used(use)]
        await store.drop_evaluations([use.id for use in going])
        staying = {use.gc_roots for use in uses} - {use.gc_roots for use in going}
        for roots_path, lease in leases.items():
            if roots_path not in staying:
                await anyio.to_thread.run_sync(lease.remove)
    return len(going)


def _candidates(uses: Sequence[EvaluationUse], roots: Roots, keep: int, since: float) -> list[Path]:
    known = {use.gc_roots for use in uses}
    unknown = [directory for directory in roots.present() if str(directory) not in known]
    return [Path(use.gc_roots) for use in surplus(uses, keep, since) if _may_be_used(use)] + unknown


def _may_be_used(use: EvaluationUse) -> bool:
    # Where the database was moved, or the directory removed, no lock can be held.
    return Path(use.gc_roots).parent.is_dir()

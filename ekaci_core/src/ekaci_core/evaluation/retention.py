"""Which evaluations are kept, and how the others go: never one that a process is using."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import anyio

from ekaci_core.evaluation.roots import Lease, Roots
from ekaci_core.store.contract import EvaluationUse, Store


def surplus(uses: Sequence[EvaluationUse], keep: int) -> list[EvaluationUse]:
    """Choose what may go: what nobody can continue or needs to, and all but the ``keep`` that were used last."""
    useful = sorted((use for use in uses if not use.obsolete), key=lambda use: (use.used_at, use.id), reverse=True)
    return [use for use in uses if use.obsolete] + useful[keep:]


async def retire(store: Store, roots: Roots, *, keep: int) -> int:
    """Drop surplus evaluations with their gc roots, and roots of evaluations that nothing knows of.

    Returns how many evaluations went.

    Raises:
        InfrastructureFault: the store or the directory fails.
    """
    with ExitStack() as held:
        leases: dict[str, Lease] = {}
        for directory in _candidates(await store.evaluations(), roots, keep):
            lease = roots.take_over(directory)
            if lease is not None:
                leases[str(directory)] = lease
                held.callback(lease.release)
        # What was free may have been finished or used between the look and the lock.
        uses = await store.evaluations()
        going = [use for use in surplus(uses, keep) if use.gc_roots in leases or not _may_be_used(use)]
        await store.drop_evaluations([use.id for use in going])
        staying = {use.gc_roots for use in uses} - {use.gc_roots for use in going}
        for roots_path, lease in leases.items():
            if roots_path not in staying:
                await anyio.to_thread.run_sync(lease.remove)
    return len(going)


def _candidates(uses: Sequence[EvaluationUse], roots: Roots, keep: int) -> list[Path]:
    known = {use.gc_roots for use in uses}
    unknown = [directory for directory in roots.present() if str(directory) not in known]
    return [Path(use.gc_roots) for use in surplus(uses, keep) if _may_be_used(use)] + unknown


def _may_be_used(use: EvaluationUse) -> bool:
    # Where the database was moved, or the directory removed, no lock can be held.
    return Path(use.gc_roots).parent.is_dir()

"""What is known of the builds that a comparison concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ekaci_core.model.build import Build
from ekaci_core.model.change import JobComparison
from ekaci_core.model.ids import DrvPath
from ekaci_core.store.contract import Store


async def read_builds(store: Store, comparisons: Iterable[JobComparison]) -> Mapping[DrvPath, Build]:
    """Read the builds of both sides of every change, and of what blocks them.

    Raises:
        InfrastructureFault: the store cannot be read.
    """
    drvs = {
        side.drv
        for comparison in comparisons
        for change in comparison.changes
        for side in (change.base, change.head)
        if side is not None
    }
    builds = dict(await store.builds(drvs))
    blockers = {blocker for build in builds.values() for blocker in build.blockers} - builds.keys()
    return builds | dict(await store.builds(blockers)) if blockers else builds


async def read_flaky(store: Store, comparisons: Iterable[JobComparison]) -> frozenset[DrvPath]:
    """Say which derivations of head failed in one attempt and passed in a later one, with nothing changed.

    Raises:
        InfrastructureFault: the store cannot be read.
    """
    heads = {change.head.drv for each in comparisons for change in each.changes if change.head is not None}
    return await store.flaky(heads)

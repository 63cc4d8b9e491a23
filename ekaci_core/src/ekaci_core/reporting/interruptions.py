"""What kept derivations of head from a result, in the words of their last attempts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ekaci_core.model.build import BuildState
from ekaci_core.model.change import Outcome, Standing
from ekaci_core.model.ids import DrvPath
from ekaci_core.reporting.clean import clean
from ekaci_core.store.contract import Store

_MOST: Final = 10
_OF_MACHINE: Final = frozenset({BuildState.OUT_OF_MEMORY, BuildState.PROCESS_DEATH})


async def explain_interruptions(store: Store, outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Say why attributes have no result, one sentence for each derivation that the machine did not let finish.

    Those that were cancelled need no explanation. At most ten are told, by name, and how many more there are.

    Raises:
        InfrastructureFault: the store cannot be read.
    """
    unknown = {each.change.head.drv for each in outcomes if each.standing is Standing.UNKNOWN and each.change.head}
    builds = dict(await store.builds(unknown))
    blockers = {blocker for build in builds.values() for blocker in build.blockers}
    builds |= await store.builds(blockers - builds.keys())
    stopped = {drv: build.state for drv, build in builds.items() if build.state in _OF_MACHINE}
    attempts = await store.last_attempts(stopped)
    told = sorted((drv for drv in stopped if drv in attempts and attempts[drv].reason), key=_by_name)
    sentences = [f"{drv.name}: {stopped[drv].label}, {clean(attempts[drv].reason)}" for drv in told[:_MOST]]
    rest = len(told) - _MOST
    return (*sentences, *([f"{rest:,} more derivations could not be built for such reasons"] if rest > 0 else []))


def _by_name(drv: DrvPath) -> tuple[str, str]:
    return (drv.name, drv)

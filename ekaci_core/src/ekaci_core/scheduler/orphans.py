"""Giving up what no process has in hand: it waits, or the one that had it is gone."""

from __future__ import annotations

from typing import Final

from ekaci_core.api import Clock
from ekaci_core.model.build import BuildState, Interrupted
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.cancelling import ON_REQUEST
from ekaci_core.scheduler.claims import Claims
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.scheduler.node import RUNNABLE
from ekaci_core.scheduler.outlook import Outlook
from ekaci_core.scheduler.recovery import Recovery
from ekaci_core.store.contract import Store

_LEASE_SECONDS: Final = 60.0


async def give_up_orphan(store: Store, clock: Clock, drv: DrvPath) -> bool:
    """Record that a derivation is cancelled, and that what needs it is blocked; False while a living process has it.

    Raises:
        InfrastructureFault: the store failed.
    """
    claims = Claims(store, clock, lease_seconds=_LEASE_SECONDS)
    ledger = Ledger(store, clock, claims)
    if not await claims.take(drv):
        return False
    try:
        await Recovery(store, ledger, claims, clock).close(drv)
        graph = (await Outlook.of(store)).graph
        node = next((each for each in graph.nodes.values() if each.build.drv == drv), None)
        if node is not None and (node.build.state in RUNNABLE or node.build.state is BuildState.QUEUED):
            await ledger.record(graph.apply(node, Interrupted(BuildState.CANCELLED), ON_REQUEST).steps)
    finally:
        await claims.release(drv)
    return True

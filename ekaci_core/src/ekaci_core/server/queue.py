"""What is queued and being built: what ``ekaci queue`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.model.ids import DrvPath, System
from ekaci_core.registry import Instances
from ekaci_core.scheduler.outlook import Outlook
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.waiting import Wait, why
from ekaci_core.server.builder_reports import plugin_context, running_attempts
from ekaci_core.server.builders import plan_of
from ekaci_core.server.known import known_store
from ekaci_core.server.occupancy import Occupancy
from ekaci_core.server.places import Places
from ekaci_core.store.contract import Attempt, Store


@attrs.frozen
class QueueEntry:
    """An unfinished derivation. ``since`` is in seconds since the epoch; ``why`` says what keeps it."""

    drv: DrvPath
    state: BuildState
    system: System
    since: float | None
    builder: str | None
    position: int | None
    why: str


@attrs.frozen
class Queue:
    """The first of what is unfinished, in the order of starting, and how many there are in all.

    ``alive`` says whether any process works on it.
    """

    entries: tuple[QueueEntry, ...]
    total: int
    alive: bool


async def read_queue(environment: Mapping[str, str], *, limit: int | None = None) -> Queue:
    """Read it, at most ``limit`` entries.

    Raises:
        UsageFault: there is no database yet, or the configuration cannot be used.
        InfrastructureFault: the database cannot be read, or no builder answers.
    """
    places, plan = Places.of(environment), plan_of(environment)
    async with (
        known_store(places) as store,
        Instances(plan.registry, plugin_context(environment)) as instances,
    ):
        builders = (await plan.open(instances)).builders
        return await queue_of(store, Placement(builders), alive=await somebody_builds(places), limit=limit)


async def somebody_builds(places: Places) -> bool:
    """Whether a process is there that reviews or builds.

    Raises:
        InfrastructureFault: the lock cannot be read.
    """
    async with Occupancy.of(places.lock) as share:
        return not share.become_alone()


async def queue_of(store: Store, placement: Placement, *, alive: bool, limit: int | None = None) -> Queue:
    """Put the queue together.

    Args:
        store: where it stands.
        placement: the builders that there are.
        alive: whether any process is there that builds.
        limit: so many entries at most; None for all.

    Raises:
        InfrastructureFault: the store failed.
    """
    outlook = await Outlook.of(store, placement)
    waits = list(islice(outlook.waits(), limit))
    running = {each.drv: each for each in await running_attempts(store)}
    changes = await store.last_changes([each.build.drv for each, _ in waits])
    entries = []
    for each, wait in waits:
        drv = each.build.drv
        attempt = running.get(drv)
        wait = _with_builder(wait, attempt, alive=alive)  # noqa: PLW2901 - the same, and more is known of it
        since = changes[drv].at if drv in changes else None
        builder = None if attempt is None else attempt.builder
        entries.append(QueueEntry(drv, wait.state, each.system, since, builder, wait.position, why(wait)))
    return Queue(tuple(entries), len(outlook.unfinished), alive)


def queue_document(found: Queue) -> dict[str, Any]:
    """Write a queue as JSON."""
    entries = [
        {
            "derivation": each.drv,
            "state": each.state.label,
            "system": each.system,
            "since": each.since,
            "builder": each.builder,
            "position": each.position,
            "why": each.why,
        }
        for each in found.entries
    ]
    return {"alive": found.alive, "total": found.total, "entries": entries}


def _with_builder(wait: Wait, attempt: Attempt | None, *, alive: bool) -> Wait:
    if wait.state is BuildState.BUILDING:
        return attrs.evolve(wait, builder=attempt.builder if attempt else None, abandoned=attempt is None)
    return attrs.evolve(wait, abandoned=not alive)

"""Cancelling a build that waits or runs, in whichever process: what ``ekaci cancel`` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import anyio
import attrs

from ekaci_core.api import Clock
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.errors import InfrastructureFault, UsageFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.scheduler.orphans import give_up_orphan
from ekaci_core.scheduler.waiting import names
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.known import known_derivation, known_store
from ekaci_core.server.places import Places
from ekaci_core.server.queue import somebody_builds
from ekaci_core.store.contract import Store

_WAITING_SECONDS: Final = 5.0  # schedulers look about once a second
_RUNNING_SECONDS: Final = 60.0  # what stops a build gives its processes half a minute to clean up
_LINGERING_SECONDS: Final = 2.5
_LOOK_SECONDS: Final = 0.1


@attrs.frozen
class CancelReport:
    """What was cancelled: the state that it was in, the state that it is in, and how much is blocked by it now."""

    drv: DrvPath
    was: BuildState
    build: Build
    blocked: int


async def cancel(text: str, environment: Mapping[str, str], *, clock: Clock | None = None) -> CancelReport:
    """Cancel a build; return once that is recorded and processes that build were told.

    Raises:
        UsageFault: there is no database yet, it does not know this, or there is nothing to cancel.
        InfrastructureFault: the process that builds it does not obey, or the database failed.
    """
    places, clock = Places.of(environment), clock or SystemClock()
    async with known_store(places) as store:
        drv = await known_derivation(store, text)
        build = (await store.builds([drv])).get(drv)
        if build is None:
            raise UsageFault("it was never queued: there is nothing to cancel", where=drv)
        _check_waits(build)
        if await somebody_builds(places):
            await _ask(store, drv, clock)
        elif not await give_up_orphan(store, clock, drv):
            raise _disobedient(drv)
        after = (await store.builds([drv]))[drv]
        if after.state is not BuildState.CANCELLED:
            raise UsageFault(f"it came to its end first: {after.state.label}", where=drv, do="see `ekaci drv info`")
        unfinished = await store.unfinished_builds()
        return CancelReport(drv, build.state, after, sum(drv in each.blockers for each in unfinished.values()))


def _check_waits(build: Build) -> None:
    if build.state.is_terminal:
        raise UsageFault(
            f"it neither waits nor runs: its state is {build.state.label}",
            where=build.drv,
            do="see `ekaci queue` for what could be cancelled",
        )
    if build.state is BuildState.BLOCKED:
        raise UsageFault(
            f"it is not going to be built: blocked by {names(build.blockers)}",
            where=build.drv,
            do="cancel what needs to be cancelled of what it needs, if that is tried again",
        )


async def _ask(store: Store, drv: DrvPath, clock: Clock) -> None:
    asked = await store.ask_cancellation(drv, now=clock.now())
    began = clock.monotonic()
    try:
        with anyio.move_on_after(_RUNNING_SECONDS if drv in await store.claims() else _WAITING_SECONDS):
            while not (await store.builds([drv]))[drv].state.is_terminal:  # noqa: ASYNC110 - told by the database alone
                await anyio.sleep(_LOOK_SECONDS)
        if not (await store.builds([drv]))[drv].state.is_terminal and not await give_up_orphan(store, clock, drv):
            raise _disobedient(drv)
        # Others that have it in a queue look about once a second, too.
        await anyio.sleep(max(0.0, _LINGERING_SECONDS - (clock.monotonic() - began)))
    finally:
        with anyio.CancelScope(shield=True):
            await store.end_cancellation(asked)


def _disobedient(drv: DrvPath) -> InfrastructureFault:
    return InfrastructureFault(
        "the process that builds it does not answer, or runs on another machine",
        where=drv,
        do="see `ekaci queue` for its builder; stop that process if it hangs",
    )

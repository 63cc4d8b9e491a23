"""Why attributes of head fail: the derivations at fault, the ends of their logs, and the commands to see it again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread
import attrs

from ekaci_core.logs import LogFiles, tail
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import Failure, Outcome, Standing
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath, System
from ekaci_core.reporting.clean import clean
from ekaci_core.reporting.reproduce import reproduce
from ekaci_core.store.contract import Attempt, Store

TAIL_LINES: Final = 30
"""Lines of a log that reports show."""

_FAILING: Final = (Standing.NEWLY_FAILING, Standing.FAILING_BASE_UNKNOWN, Standing.STILL_FAILING)
_AT_FAULT: Final = frozenset({BuildState.FAILURE, BuildState.TIMEOUT})


async def collect_failures(store: Store, outcomes: Iterable[Outcome]) -> tuple[Failure, ...]:
    """Explain every failing attribute, one entry for each derivation at fault.

    What fails newly comes first, then what the most attributes fail of, then by path. A log that is gone is not named.

    Raises:
        InfrastructureFault: the store cannot be read.
    """
    failing = [(each, each.change.head.drv) for each in outcomes if each.standing in _FAILING and each.change.head]
    builds = await store.builds({drv for _, drv in failing})
    blockers = await store.builds({blocker for build in builds.values() for blocker in build.blockers})
    affected: dict[DrvPath, list[Outcome]] = {}
    for outcome, drv in failing:
        for culprit in _culprits(drv, builds, blockers):
            affected.setdefault(culprit, []).append(outcome)
    attempts = await store.last_attempts(affected.keys())
    systems = await _systems(store, affected.keys())
    logs = await anyio.to_thread.run_sync(_read_logs, attempts)
    known = {**builds, **blockers}
    failures = [
        _failure(drv, those, _state(drv, known), systems.get(drv), _Trace(attempts.get(drv), logs.get(drv)))
        for drv, those in affected.items()
    ]
    rank = {drv: min(_FAILING.index(each.standing) for each in those) for drv, those in affected.items()}
    return tuple(sorted(failures, key=lambda each: (rank[each.drv], -len(each.places), each.drv)))


def _culprits(drv: DrvPath, builds: Mapping[DrvPath, Build], blockers: Mapping[DrvPath, Build]) -> Collection[DrvPath]:
    build = builds.get(drv)
    if build is None or build.state in _AT_FAULT:
        return (drv,)
    at_fault = [each for each in build.blockers if each in blockers and blockers[each].state in _AT_FAULT]
    return at_fault or sorted(build.blockers) or (drv,)


def _state(drv: DrvPath, builds: Mapping[DrvPath, Build]) -> BuildState:
    return builds[drv].state if drv in builds else BuildState.FAILURE


async def _systems(store: Store, drvs: Collection[DrvPath]) -> dict[DrvPath, System]:
    ids = await store.derivation_ids(drvs)
    records = await store.derivations(ids.values())
    return {record.path: record.system for record in records.values()}


@attrs.frozen
class _Log:
    path: Path
    tail: tuple[str, ...]


@attrs.frozen
class _Trace:
    attempt: Attempt | None
    log: _Log | None


def _failure(
    drv: DrvPath, outcomes: Sequence[Outcome], state: BuildState, system: System | None, trace: _Trace
) -> Failure:
    attempt = trace.attempt
    return Failure(
        places=tuple(sorted({each.change.place for each in outcomes})),
        drv=drv,
        system=system or outcomes[0].change.system,
        state=state,
        reason=clean(attempt.reason) if attempt and attempt.reason else f"its state is {state.label}",
        log_tail=trace.log.tail if trace.log else (),
        log_path=str(trace.log.path) if trace.log else None,
        reproduce=reproduce(drv),
        on_base_too=all(each.standing is Standing.STILL_FAILING for each in outcomes),
    )


def _read_logs(attempts: Mapping[DrvPath, Attempt]) -> dict[DrvPath, _Log]:
    named = {drv: Path(each.log_path) for drv, each in attempts.items() if each.log_path}
    stored = {drv: LogFiles(path).stored() for drv, path in named.items()}
    return {drv: _Log(path, _tail(named[drv])) for drv, path in stored.items() if path is not None}


def _tail(path: Path) -> tuple[str, ...]:
    """Read the end of a log; one that cannot be read must not cost the rest of the report."""
    try:
        return tail(path, TAIL_LINES)
    except (OSError, InfrastructureFault):
        return ()

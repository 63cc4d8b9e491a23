"""All that is known of one derivation: what ``ekaci drv`` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ekaci_core.graph.dag import Dag
from ekaci_core.model.build import Build
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.environment import nix_environment
from ekaci_core.nix.path_info import invalid_paths
from ekaci_core.scheduler.durations import asked, learnt_seconds
from ekaci_core.server.known import known_derivation, known_store
from ekaci_core.server.places import Places
from ekaci_core.store.contract import Attempt, BuildChange, DerivationId, Store

_CHUNK = 5000


@attrs.frozen
class DerivationReport:
    """A derivation as the database and the Nix store have it.

    Attributes:
        record: what it is.
        change: its state, since when and why; None where it was never queued.
        attempts: at it, the first one first.
        expected_seconds: what building it is expected to take; None where nothing was learnt.
        valid: of each output, whether the Nix store has it; None where that is not known.
        inputs: how many derivations it needs, directly and in all.
        dependents: how many need it, directly and in all.
        note: why it is not known which outputs are there; empty otherwise.
    """

    record: DerivationRecord
    change: BuildChange | None
    attempts: tuple[Attempt, ...]
    expected_seconds: float | None
    valid: Mapping[str, bool | None]
    inputs: tuple[int, int]
    dependents: tuple[int, int]
    note: str = ""


@attrs.frozen
class Relative:
    """A derivation that another one needs, or that needs it, so many steps away; ``build`` is None if never queued."""

    drv: DrvPath
    steps: int
    build: Build | None


@attrs.frozen
class Relatives:
    """The nearest of them, and how many there are in all within the depth that was asked for."""

    of: DrvPath
    shown: tuple[Relative, ...]
    total: int


async def derivation_report(text: str, environment: Mapping[str, str]) -> DerivationReport:
    """Tell of one derivation.

    Raises:
        UsageFault: there is no database yet, or it does not know this.
        InfrastructureFault: the database cannot be read.
    """
    async with known_store(Places.of(environment)) as store:
        drv = await known_derivation(store, text)
        number, record = await _record(store, drv)
        dependents = await store.dependents(number)
        closure = await store.closure([number])
        learnt = await store.durations(asked([record]))
        valid, note = await _validity(record, environment)
        return DerivationReport(
            record,
            (await store.last_changes([drv])).get(drv),
            tuple((await store.attempts([drv])).get(drv, ())),
            learnt_seconds(learnt, record),
            valid,
            (len(record.inputs), len(closure) - 1),
            (sum(steps == 1 for steps in dependents.values()), len(dependents)),
            note,
        )


async def relatives(
    text: str, environment: Mapping[str, str], *, reverse: bool, depth: int | None, limit: int | None
) -> Relatives:
    """List what a derivation needs or, in ``reverse``, what needs it; the nearest first.

    Args:
        text: its path, base name or hash.
        environment: says where the database is.
        reverse: ask for dependents.
        depth: at most so many steps away; None for all.
        limit: at most so many are listed; None for all.

    Raises:
        UsageFault: there is no database yet, or it does not know this.
        InfrastructureFault: the database cannot be read.
    """
    async with known_store(Places.of(environment)) as store:
        drv = await known_derivation(store, text)
        number, _ = await _record(store, drv)
        steps = await store.dependents(number) if reverse else _steps(await store.closure([number]), number)
        near = sorted((far, key) for key, far in steps.items() if depth is None or far <= depth)
        shown: list[Relative] = []
        chosen = near[:limit]
        for start in range(0, len(chosen), _CHUNK):
            some = chosen[start : start + _CHUNK]
            records = await store.derivations([key for _, key in some])
            builds = await store.builds([each.path for each in records.values()])
            shown += [Relative(records[key].path, far, builds.get(records[key].path)) for far, key in some]
        return Relatives(drv, tuple(shown), len(near))


def _steps(dag: Dag, number: DerivationId) -> dict[DerivationId, int]:
    """Say how many steps each input is away, in rings around the derivation."""
    root = dag.node(number)
    found: dict[int, int] = {root: 0}
    ring: Sequence[int] = [root]
    while ring:
        following = []
        for node in ring:
            for each in dag.inputs(node):
                if each not in found:
                    found[each] = found[node] + 1
                    following.append(each)
        ring = following
    del found[root]
    return {DerivationId(dag.keys[node]): far for node, far in found.items()}


async def _record(store: Store, drv: DrvPath) -> tuple[DerivationId, DerivationRecord]:
    number = (await store.derivation_ids([drv]))[drv]
    return number, (await store.derivations([number]))[number]


async def _validity(record: DerivationRecord, environment: Mapping[str, str]) -> tuple[Mapping[str, bool | None], str]:
    paths = [each.path for each in record.outputs if each.path is not None]
    try:
        invalid = await invalid_paths(paths, nix_environment(environment))
    except InfrastructureFault as fault:  # no reason to withhold what the database says
        return {each.name: None for each in record.outputs}, f"{fault}{f' ({fault.do})' if fault.do else ''}"
    return {each.name: None if each.path is None else each.path not in invalid for each in record.outputs}, ""

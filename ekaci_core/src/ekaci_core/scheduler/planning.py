"""What must be built for the derivations that are wanted, and how each of them begins."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from ekaci_core.model.build import Build, BuildState, Succeeded, advance
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import BuildPlan
from ekaci_core.scheduler.build_graph import BuildGraph, Step
from ekaci_core.scheduler.durations import UNKNOWN_SECONDS, subject
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.recovery import resumed
from ekaci_core.store.contract import DerivationId, Store

Survey = Callable[[Collection[DrvPath]], Awaitable[BuildPlan]]
"""Asks which derivations would have to be built for these, and which outputs would be fetched."""

# Whole records are held for so many derivations at once; a node keeps little of one.
_CHUNK: Final = 2000

Item = TypeVar("Item")


@attrs.define
class Plan:
    """What wishes add to a run.

    Attributes:
        present: wanted derivations that need no build and were not known to have succeeded.
        nodes: newcomers, inputs before dependents.
        stored: what the store says of the newcomers.
        causes: why those begin anew that the store knows in another state, by key.
    """

    present: list[Step] = attrs.field(factory=list)
    nodes: list[Node] = attrs.field(factory=list)
    stored: Mapping[DrvPath, Build] = attrs.field(factory=dict)
    causes: dict[int, str] = attrs.field(factory=dict)


class Planner:
    """Finds out what a wish takes."""

    def __init__(self, store: Store, survey: Survey, placement: Placement, *, rebuild_failed: bool) -> None:
        self._store = store
        self._survey = survey
        self._placement = placement
        self._rebuild_failed = rebuild_failed

    async def plan(self, wanted: Collection[DrvPath], graph: BuildGraph) -> Plan:
        """Look up what ``graph`` does not have yet.

        Raises:
            InfrastructureFault: a derivation is unknown or has vanished, or Nix or the store failed.
        """
        plan = Plan()
        new = [drv for drv in dict.fromkeys(wanted) if graph.find(drv) is None]
        if not new:
            return plan
        ids = await self._ids(new)
        survey = await self._survey(new)
        if survey.unknown:
            raise InfrastructureFault(
                f"{len(survey.unknown)} derivation(s) to build are no longer in the Nix store",
                where=min(survey.unknown),
                do="evaluate again; if it happens often, keep the garbage collector away from running reviews",
            )
        plan.present = await self._present(ids, survey)
        missing = [drv for drv in survey.to_build if graph.find(drv) is None]
        if missing:
            await self._newcomers(plan, await self._ids(missing), graph)
        return plan

    async def look(self, drvs: Collection[DrvPath]) -> list[Step]:
        """Find those that need no build and were not known to have succeeded.

        Raises:
            InfrastructureFault: a derivation is unknown, or Nix or the store failed.
        """
        ids = await self._ids(list(dict.fromkeys(drvs)))
        return await self._present(ids, await self._survey(ids)) if ids else []

    async def _ids(self, drvs: Sequence[DrvPath]) -> dict[DrvPath, DerivationId]:
        ids = dict(await self._store.derivation_ids(drvs))
        if len(ids) < len(drvs):
            lost = next(drv for drv in drvs if drv not in ids)
            raise InfrastructureFault(
                "this derivation is to be built, but the database does not know it",
                where=lost,
                do="evaluate again",
            )
        return ids

    async def _present(self, ids: dict[DrvPath, DerivationId], survey: BuildPlan) -> list[Step]:
        present = [drv for drv in ids if drv not in survey.to_build and drv not in survey.unknown]
        builds = await self._store.builds(present)
        news = [drv for drv in present if (known := builds.get(drv)) is None or known.state is not BuildState.SUCCESS]
        steps = []
        for some in _chunks(news):
            records = await self._store.derivations([ids[drv] for drv in some])
            for drv in some:
                fetched = any(output.path in survey.to_fetch for output in records[ids[drv]].outputs)
                cause = "its outputs can be fetched" if fetched else "its outputs are in the store"
                steps.append(Step(advance(builds.get(drv, Build(drv)), Succeeded()), cause))
        return steps

    async def _newcomers(self, plan: Plan, ids: dict[DrvPath, DerivationId], graph: BuildGraph) -> None:
        dag = await self._store.closure(ids.values())
        keys = sorted(ids.values())
        among = set(keys)
        plan.stored = await self._store.builds(ids)
        for some in _chunks(keys):
            records = await self._store.derivations(some)
            subjects = {key: subject(record) for key, record in records.items()}
            learnt = await self._store.durations(frozenset(subjects.values()))
            for key in some:
                below = (dag.keys[each] for each in dag.inputs(dag.node(key)))
                inputs = array("I", (each for each in below if each in among or each in graph))
                node = self._node(plan, records[key], key, inputs)
                node.seconds = learnt.get(subjects[key], UNKNOWN_SECONDS)
                plan.nodes.append(node)

    def _node(self, plan: Plan, record: DerivationRecord, key: int, inputs: Sequence[int]) -> Node:
        lane = self._placement.lane_of(record)
        obstacle = "" if lane else self._placement.why_none(record.system, record.features)
        build = plan.stored.get(record.path)
        # Either another worker has it in hand, or that one died since we began: its claim will tell.
        foreign = build is not None and build.state is BuildState.BUILDING
        if build is None:
            build = Build(record.path)
        elif (step := resumed(build, rebuild_failed=self._rebuild_failed)) is not None:
            build = step.build
            plan.causes[key] = step.cause
        return Node(key=key, build=build, lane=lane, obstacle=obstacle, inputs=inputs, foreign=foreign)


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]

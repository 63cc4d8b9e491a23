"""What must be built for the derivations that are wanted, and how each of them begins."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from ekaci_core.model.build import Build, BuildState, Succeeded, advance
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.dry_run import BuildPlan
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.durations import asked, expected_seconds
from ekaci_core.scheduler.effects import Step
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.recovery import resumed
from ekaci_core.store.contract import DerivationId, Store

Survey = Callable[[Collection[DrvPath]], Awaitable[BuildPlan]]
"""Asks which derivations would have to be built for these, and which outputs would be fetched."""

# So many are looked up, and recorded as queued, at once: more would keep the run and the database busy for longer than
# the 20 ms that what happens meanwhile may wait.
_CHUNK: Final = 250

Item = TypeVar("Item")


@attrs.frozen
class Plan:
    """What wishes add to a run.

    Attributes:
        present: wanted derivations that need no build and were not known to have succeeded.
        keys: the numbers of those to be built, ascending, so inputs before dependents.
        wanted: the numbers of all that are wanted.
    """

    present: Sequence[Step] = ()
    keys: Sequence[int] = ()
    wanted: Mapping[DrvPath, int] = attrs.field(factory=dict)


@attrs.define
class Newcomers:
    """Some of the derivations to be built.

    Attributes:
        present: inputs that need no build, and that were known as not built.
        nodes: inputs before dependents.
        stored: what the store says of them.
        causes: why those begin anew that the store knows in another state, by key.
    """

    present: Sequence[Step] = ()
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
        numbers = await self._ids(list(dict.fromkeys(wanted)))
        ids = {drv: key for drv, key in numbers.items() if key not in graph}
        if not ids:
            return Plan(wanted=numbers)
        survey = await self._survey(ids)
        if survey.unknown:
            raise InfrastructureFault(
                f"{len(survey.unknown)} derivation(s) to build are no longer in the Nix store",
                where=min(survey.unknown),
                do="evaluate again; if it happens often, keep the garbage collector away from running reviews",
            )
        present = await self._present(ids, survey)
        keys = array("I")
        for some in chunked(list(survey.to_build)):
            keys.extend(key for key in (await self._ids(some)).values() if key not in graph)
        return Plan(present, array("I", sorted(keys)), numbers)

    async def newcomers(self, plan: Plan, graph: BuildGraph) -> AsyncIterator[Newcomers]:
        """Look up those to be built, some at a time; the caller puts them into ``graph`` before it goes on.

        Raises:
            InfrastructureFault: the store failed.
        """
        known = graph.residue
        for keys in chunked(plan.keys):
            ids = [DerivationId(key) for key in keys]
            found = await self._store.derivations_with_inputs(ids)
            records = {key: each.record for key, each in found.items()}
            among = frozenset(keys)
            learnt = await self._store.durations(asked(records.values()))
            needed: dict[int, array[int]] = {}
            others: set[DrvPath] = set()
            for key, each in found.items():
                needed[key] = array("I", [number for number in each.inputs if number in among or number in known])
                if len(needed[key]) < len(each.inputs):
                    both = zip(each.record.inputs, each.inputs, strict=True)
                    others.update(drv for drv, number in both if number not in among and number not in known)
            some = Newcomers(
                await self._inputs_present(others),
                stored=await self._store.builds([record.path for record in records.values()]),
            )
            for key in ids:
                node = self._node(some, records[key], key, needed[key])
                node.seconds = expected_seconds(learnt, records[key])
                some.nodes.append(node)
            yield some

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
        for some in chunked(news):
            records = await self._store.derivations([ids[drv] for drv in some])
            for drv in some:
                fetched = any(output.path in survey.to_fetch for output in records[ids[drv]].outputs)
                cause = "its outputs can be fetched" if fetched else "its outputs are in the store"
                steps.append(Step(advance(builds.get(drv, Build(drv)), Succeeded()), cause))
        return steps

    async def _inputs_present(self, others: Collection[DrvPath]) -> list[Step]:
        """Find inputs that were built by who died before it was recorded, or that a substituter has got since."""
        builds = await self._store.builds(others)
        return [
            Step(advance(build, Succeeded()), "it need not be built")
            for build in builds.values()
            # What is building is in another worker's hands, who will record it.
            if build.state not in (BuildState.SUCCESS, BuildState.BUILDING)
        ]

    def _node(self, some: Newcomers, record: DerivationRecord, key: int, inputs: Sequence[int]) -> Node:
        lane = self._placement.lane_of(record)
        obstacle = "" if lane else self._placement.why_none(record.system, record.features)
        build = some.stored.get(record.path)
        # Either another worker has it in hand, or that one died since we began: its claim will tell.
        foreign = build is not None and build.state is BuildState.BUILDING
        if build is None:
            build = Build(record.path)
        elif (step := resumed(build, rebuild_failed=self._rebuild_failed)) is not None:
            build = step.build
            some.causes[key] = step.cause
        return Node(key=key, build=build, lane=lane, obstacle=obstacle, inputs=inputs, foreign=foreign)


def chunked(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Cut a sequence into parts that may be dealt with in one go."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]

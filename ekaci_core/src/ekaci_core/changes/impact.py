"""What must be rebuilt, and because of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ekaci_core.changes.describe import JobContents
from ekaci_core.graph.dag import Dag
from ekaci_core.graph.impact import strict_dependents
from ekaci_core.model.change import BlastRadius, Change, Impact, JobComparison
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.store.contract import DerivationId, EvaluationContents, Store


async def measure_impact(
    store: Store, jobs: Sequence[JobContents], comparisons: Iterable[JobComparison], *, top: int
) -> Impact:
    """Measure all jobs together: a derivation that two of them need counts once.

    Args:
        store: where both sides' derivations are.
        jobs: both sides of each job.
        comparisons: what `compare_jobs` made of them.
        top: how many of the largest blast radii to name; at least one.

    Raises:
        InfrastructureFault: the store cannot be read.
    """
    # What depends on a new derivation is new itself: the rest of head's closure has no part in any count.
    added = await store.closure(_roots(each.head for each in jobs), beyond=_roots(each.base for each in jobs))
    new = [DerivationId(key) for key in added.keys]
    records = await store.derivations(new)
    attrs_of = _attributes_by_derivation(jobs, set(new))
    dependents = _dependents(added, attrs_of)
    return Impact(
        new_derivations=_by_system(record.system for record in records.values()),
        rebuilt_packages=_by_system(
            change.system
            for comparison in comparisons
            for change in comparison.changes
            if change.change is not Change.REMOVED
        ),
        top=_largest(dependents, records, attrs_of, max(top, 1)),
        dependents={records[each].path: count for each, count in dependents.items()},
    )


def _roots(sides: Iterable[EvaluationContents | None]) -> set[DerivationId]:
    return {each.derivation for side in sides if side is not None for each in side.attributes.values()}


def _attributes_by_derivation(
    jobs: Sequence[JobContents], wanted: set[DerivationId]
) -> dict[DerivationId, list[AttrPath]]:
    found: dict[DerivationId, list[AttrPath]] = {}
    for job in jobs:
        for each in job.head.attributes.values() if job.head else ():
            if each.derivation in wanted:
                found.setdefault(each.derivation, []).append(each.attr)
    return found


def _dependents(added: Dag, wanted: Iterable[DerivationId]) -> dict[DerivationId, int]:
    nodes = {each: added.node(each) for each in sorted(wanted)}
    counts = strict_dependents(added, nodes.values())
    return {each: counts[node] for each, node in nodes.items()}


def _by_system(systems: Iterable[System]) -> dict[System, int]:
    return dict(sorted(Counter(systems).items()))


def _largest(
    dependents: Mapping[DerivationId, int],
    records: Mapping[DerivationId, DerivationRecord],
    attrs_of: Mapping[DerivationId, Sequence[AttrPath]],
    top: int,
) -> tuple[BlastRadius, ...]:
    def rank(each: DerivationId) -> tuple[int, DrvPath]:
        return -dependents[each], records[each].path

    return tuple(
        BlastRadius(
            drv=records[each].path,
            name=records[each].name,
            system=records[each].system,
            attrs=tuple(sorted(set(attrs_of[each]))),
            dependents=dependents[each],
        )
        for each in sorted(dependents, key=rank)[:top]
    )

"""Put names, versions and metadata to a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from ekaci_core.changes.compare import Difference, compare
from ekaci_core.model.change import AttributeChange, JobComparison, Side
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import AttributeFault
from ekaci_core.model.package import PackageMeta
from ekaci_core.nix.names import parse_name
from ekaci_core.store.contract import DerivationId, EvaluationContents, MetaId, Store, StoredAttribute

_NOTHING: Final = EvaluationContents(attributes={}, faults=(), nulls=0)
_NO_META: Final = PackageMeta()


@attrs.frozen
class JobContents:
    """What both sides of a job evaluate to; None where a side does not have the job."""

    job: str
    base: EvaluationContents | None
    head: EvaluationContents | None
    allow_eval_failures: bool = False


async def compare_jobs(store: Store, jobs: Sequence[JobContents]) -> tuple[JobComparison, ...]:
    """Compare both sides of each job, reading from the store only what is not the same.

    Raises:
        InfrastructureFault: the store cannot be read.
    """
    differences = [compare(each.base or _NOTHING, each.head or _NOTHING) for each in jobs]
    named = [attribute for difference in differences for attribute in _attributes(difference)]
    derivations = await store.derivations({each.derivation for each in named})
    metas = await store.metas({each.meta for each in named if each.meta is not None})
    describe = _Describer(derivations, metas)
    return tuple(describe.job(each, difference) for each, difference in zip(jobs, differences, strict=True))


def _attributes(difference: Difference) -> Iterable[StoredAttribute]:
    yield from difference.added
    yield from difference.removed
    for pairs in (difference.changed, difference.other_meta):
        for old, new in pairs:
            yield old
            yield new


class _Describer:
    """Turns numbers into sides; attributes that say the same share one."""

    def __init__(
        self, derivations: Mapping[DerivationId, DerivationRecord], metas: Mapping[MetaId, PackageMeta]
    ) -> None:
        self._derivations = derivations
        self._metas = metas
        self._sides: dict[tuple[DerivationId, MetaId | None, str | None, str | None], Side] = {}

    def job(self, job: JobContents, difference: Difference) -> JobComparison:
        base_faults = () if job.base is None else job.base.faults
        head_faults = () if job.head is None else job.head.faults
        faulty_on_base, faulty_on_head = _Faulty(base_faults), _Faulty(head_faults)
        changes = [
            *(self._change(job.job, None, new, base_fault=new.attr in faulty_on_base) for new in difference.added),
            *(self._change(job.job, old, None, head_fault=old.attr in faulty_on_head) for old in difference.removed),
            *(self._change(job.job, old, new) for old, new in difference.changed),
        ]
        meta_only = (self._change(job.job, old, new) for old, new in difference.other_meta)
        return JobComparison(
            job=job.job,
            changes=tuple(sorted(changes, key=lambda change: change.attr)),
            unchanged=difference.unchanged,
            meta_only=tuple(change for change in meta_only if _is_worth_telling(change)),
            base_faults=base_faults,
            head_faults=head_faults,
            new_faults=difference.new_faults,
            fixed_faults=difference.fixed_faults,
            missing_on="base" if job.base is None else "head" if job.head is None else None,
            allow_eval_failures=job.allow_eval_failures,
        )

    def _change(
        self,
        job: str,
        old: StoredAttribute | None,
        new: StoredAttribute | None,
        *,
        base_fault: bool = False,
        head_fault: bool = False,
    ) -> AttributeChange:
        present = new or old
        if present is None:
            raise ValueError("an attribute change needs a side")
        return AttributeChange(
            job=job,
            attr=present.attr,
            system=present.system,
            base=self._side(old),
            head=self._side(new),
            base_fault=base_fault,
            head_fault=head_fault,
        )

    def _side(self, attribute: StoredAttribute | None) -> Side | None:
        if attribute is None:
            return None
        key = (attribute.derivation, attribute.meta, attribute.pname, attribute.version)
        side = self._sides.get(key)
        if side is None:
            meta = _NO_META if attribute.meta is None else self._metas[attribute.meta]
            side = self._sides[key] = side_of(attribute, self._derivations[attribute.derivation], meta)
        return side


def side_of(attribute: StoredAttribute, record: DerivationRecord, meta: PackageMeta) -> Side:
    """Name a package: by its own attributes, else by what its derivation says, else by splitting its name."""
    pname, version = parse_name(record.name)
    return Side(
        drv=record.path,
        name=record.name,
        pname=attribute.pname or record.pname or pname,
        version=attribute.version or record.version or version,
        meta=meta,
    )


class _Faulty:
    """Whether an attribute could not be had on a side."""

    def __init__(self, faults: Iterable[AttributeFault]) -> None:
        faults = tuple(faults)
        self._attrs = {fault.attr for fault in faults if fault.attr is not None}
        self._whole_job = any(fault.concerns_whole_job for fault in faults)

    def __contains__(self, attr: object) -> bool:
        return self._whole_job or attr in self._attrs


def _is_worth_telling(change: AttributeChange) -> bool:
    base, head = change.base, change.head
    if base is None or head is None:
        return False
    marks = (base.meta.broken, base.meta.insecure, base.meta.unfree)
    return (
        change.licenses_changed
        or change.maintainers_changed
        or marks != (head.meta.broken, head.meta.insecure, head.meta.unfree)
    )

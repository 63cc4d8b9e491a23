"""Two evaluations in a store, made from a few words each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem, EvaluationKey, FaultKind
from ekaci_core.model.ids import AttrPath, DrvPath, System, TreeHash
from ekaci_core.store.contract import DerivationId, EvaluationContents, MetaId, Store, StoredAttribute

LINUX = System("x86_64-linux")


@attrs.frozen
class Package:
    """A derivation to be stored. ``inputs`` are packages defined before it."""

    name: str
    digit: str = "0"
    inputs: Sequence[Package] = ()
    system: System = LINUX
    pname: str | None = None
    version: str | None = None

    @property
    def drv(self) -> DrvPath:
        return DrvPath.parse(f"{self.digit * 32}-{self.name}.drv")

    @property
    def record(self) -> DerivationRecord:
        return DerivationRecord(
            path=self.drv,
            name=self.name,
            system=self.system,
            inputs=tuple(each.drv for each in self.inputs),
            outputs=(Output("out", None),),
            pname=self.pname,
            version=self.version,
        )


def fault(attr: str | None, message: str = "error: no", kind: FaultKind = FaultKind.ERROR) -> AttributeFault:
    return AttributeFault(None if attr is None else AttrPath(attr), kind, message)


def stored(attr: str, derivation: int, meta: int | None = None) -> StoredAttribute:
    number = None if meta is None else MetaId(meta)
    return StoredAttribute(AttrPath(attr), DerivationId(derivation), f"{attr}-1", LINUX, number)


def contents(*attributes: StoredAttribute, faults: Sequence[AttributeFault] = ()) -> EvaluationContents:
    return EvaluationContents({each.attr: each for each in attributes}, tuple(faults), 0)


def records_of(packages: Sequence[Package]) -> list[DerivationRecord]:
    """List packages and all they need, inputs first."""
    found: dict[DrvPath, DerivationRecord] = {}

    def visit(package: Package) -> None:
        if package.drv not in found:
            for needed in package.inputs:
                visit(needed)
            found[package.drv] = package.record

    for package in packages:
        visit(package)
    return list(found.values())


async def evaluated(
    store: Store,
    packages: Mapping[str, Package],
    *,
    metas: Mapping[str, Mapping[str, Any]] | None = None,
    faults: Sequence[AttributeFault] = (),
    tree: str = "0",
) -> EvaluationContents:
    """Store an evaluation and read it again."""
    key = EvaluationKey(TreeHash.parse(tree * 40), "job", "ci.nix", "", "test", "source", "")
    evaluation = await store.begin_evaluation(key, now=0.0, gc_roots="")
    items: list[EvaluatedItem] = [
        EvaluatedAttribute(AttrPath(attr), each.drv, each.name, each.system, {"out": None}, (metas or {}).get(attr))
        for attr, each in packages.items()
    ]
    await store.add_evaluated(evaluation, records_of(list(packages.values())), [*items, *faults])
    await store.finish_evaluation(evaluation, now=1.0)
    return await store.contents(evaluation)

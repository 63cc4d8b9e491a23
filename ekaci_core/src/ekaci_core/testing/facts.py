"""Made-up facts for tests: small, and equal for equal names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.evaluation import EvaluatedAttribute, EvaluatedItem, EvaluationKey
from ekaci_core.model.ids import STORE_DIR, AttrPath, DrvPath, StorePath, System, TreeHash
from ekaci_core.store.contract import EvaluationId, Store

LINUX: Final = System("x86_64-linux")
_LETTERS: Final = "0123456789abcdfghijklmnpqrsvwxyz"


def drv(name: str) -> DrvPath:
    """Make up the path of a derivation; equal names have equal paths."""
    digest = "".join(_LETTERS[(ord(name[at % len(name)]) * 7 + at) % 32] for at in range(32))
    return DrvPath.parse(f"{STORE_DIR}/{digest}-{name}.drv")


def record(name: str, *inputs: str) -> DerivationRecord:
    """Make up a derivation with one output."""
    path = drv(name)
    output = StorePath.parse(f"{STORE_DIR}/{path.hash_part[::-1]}-{name}")
    return DerivationRecord(path, name, LINUX, tuple(drv(each) for each in inputs), (Output("out", output),))


def attribute(name: str, meta: Mapping[str, Any] | None = None) -> EvaluatedAttribute:
    """Make up an attribute that is the derivation of the same name."""
    return EvaluatedAttribute(AttrPath(name), drv(name), name, LINUX, {"out": None}, meta)


def key(job: str = "packages", tree: str = "a" * 40) -> EvaluationKey:
    """Make up a key."""
    return EvaluationKey(TreeHash(tree), job, "default.nix", "", "nix 2.8.0", "repository", "0" * 64)


async def evaluated(
    store: Store,
    records: Sequence[DerivationRecord] = (),
    items: Sequence[EvaluatedItem] = (),
    *,
    of: EvaluationKey | None = None,
    now: float = 100.0,
) -> EvaluationId:
    """Store a whole evaluation."""
    evaluation = await store.begin_evaluation(of or key(), now=now, gc_roots="/roots/of/it")
    await store.add_evaluated(evaluation, records, items)
    await store.finish_evaluation(evaluation, now=now + 5)
    return evaluation

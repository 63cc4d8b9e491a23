"""Compare what two evaluations of one job yield; only numbers and names are looked at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

import attrs

from ekaci_core.model.evaluation import AttributeFault
from ekaci_core.store.contract import EvaluationContents, StoredAttribute

# Paths of checkouts and positions differ between the sides although the fault is the same.
_PLACE: Final = re.compile(r"/[^\s'\"«»]+|\d+")


@attrs.frozen
class Difference:
    """How head differs from base, each part sorted by attribute.

    ``other_meta`` are attributes whose derivation is the same and whose metadata is not; ``unchanged`` counts them too.
    """

    added: tuple[StoredAttribute, ...]
    removed: tuple[StoredAttribute, ...]
    changed: tuple[tuple[StoredAttribute, StoredAttribute], ...]
    other_meta: tuple[tuple[StoredAttribute, StoredAttribute], ...]
    unchanged: int
    new_faults: tuple[AttributeFault, ...]
    fixed_faults: tuple[AttributeFault, ...]


def compare(base: EvaluationContents, head: EvaluationContents) -> Difference:
    """Compare by attribute path; the work is proportional to the number of attributes."""
    before, after = base.attributes, head.attributes
    added = [each for attr, each in after.items() if attr not in before]
    removed = [each for attr, each in before.items() if attr not in after]
    both = [(before[attr], each) for attr, each in after.items() if attr in before]
    changed = [(old, new) for old, new in both if old.derivation != new.derivation]
    other_meta = [(old, new) for old, new in both if old.derivation == new.derivation and old.meta != new.meta]
    return Difference(
        added=tuple(sorted(added, key=lambda each: each.attr)),
        removed=tuple(sorted(removed, key=lambda each: each.attr)),
        changed=tuple(sorted(changed, key=lambda pair: pair[1].attr)),
        other_meta=tuple(sorted(other_meta, key=lambda pair: pair[1].attr)),
        unchanged=len(both) - len(changed),
        new_faults=_only_in(head.faults, base.faults),
        fixed_faults=_only_in(base.faults, head.faults),
    )


def _only_in(these: Iterable[AttributeFault], those: Iterable[AttributeFault]) -> tuple[AttributeFault, ...]:
    """Return the faults among these that have no counterpart among those, each of those counting once.

    Marks are left out: a new set of packages is no new error.
    """
    left = Counter(map(_identity, those))
    only: list[AttributeFault] = []
    for fault in these:
        if fault.is_marker:
            continue
        identity = _identity(fault)
        if left[identity]:
            left[identity] -= 1
        else:
            only.append(fault)
    return tuple(sorted(only, key=lambda fault: (fault.attr or "", fault.message)))


def _identity(fault: AttributeFault) -> tuple[str, str]:
    """Name a fault: by its attribute, or where the evaluator lost that, by what it says but for places and numbers."""
    if fault.attr is not None:
        return ("attribute", fault.attr)
    return ("lost", f"{fault.kind.value} {_PLACE.sub('', fault.message)}")

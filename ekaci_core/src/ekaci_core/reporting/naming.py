"""How sentences and tables call an attribute, where several jobs may have one of that name."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Self

from ekaci_core.model.change import AttributeChange, JobComparison, Outcome, Place
from ekaci_core.model.ids import AttrPath


class Names:
    """Calls an attribute by its path, and by ``job:path`` where jobs mean different things by that path."""

    def __init__(self, ambiguous: Iterable[AttrPath] = ()) -> None:
        """Put the job's name before these."""
        self._ambiguous = frozenset(ambiguous)

    @classmethod
    def of(cls, jobs: Iterable[JobComparison], outcomes: Iterable[Outcome]) -> Self:
        """Find out which paths are ambiguous: two jobs have them, and not with the same derivations on both sides."""
        meant: dict[AttrPath, dict[str, set[Hashable]]] = {}

        def mean(job: str, attr: AttrPath, what: Hashable) -> None:
            meant.setdefault(attr, {}).setdefault(job, set()).add(what)

        for outcome in outcomes:
            mean(outcome.change.job, outcome.change.attr, _sides(outcome.change))
        for job in jobs:
            for change in job.meta_only:
                mean(job.job, change.attr, _sides(change))
            for fault in (*job.new_faults, *job.known_faults, *job.fixed_faults):
                if fault.attr:
                    mean(job.job, fault.attr, job.job)
        return cls(attr for attr, by_job in meant.items() if len({frozenset(each) for each in by_job.values()}) > 1)

    def label(self, place: Place) -> str:
        """Name an attribute of a job."""
        return f"{place.job}:{place.attr}" if place.attr in self._ambiguous else place.attr

    def labels(self, places: Iterable[Place]) -> tuple[str, ...]:
        """Name attributes, each once although several jobs may have it."""
        return tuple(dict.fromkeys(map(self.label, places)))


def _sides(change: AttributeChange) -> Hashable:
    return (change.base.drv if change.base else None, change.head.drv if change.head else None)

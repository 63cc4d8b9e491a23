"""What a person should look at although nothing speaks against merging."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ekaci_core.model.change import AttributeChange, Impact, JobComparison, Place
from ekaci_core.model.evaluation import FaultKind
from ekaci_core.model.package import PackageMeta
from ekaci_core.reporting.naming import Names
from ekaci_core.reporting.wording import counted, few

_MARKS: Final[tuple[tuple[str, Callable[[PackageMeta], bool]], ...]] = (
    ("has an unfree licence", lambda meta: meta.unfree),
    ("is marked insecure", lambda meta: meta.insecure),
    ("is marked broken", lambda meta: meta.broken),
)
_PLURAL: Final = {"has": "have", "is": "are"}


def attention_reasons(jobs: Iterable[JobComparison], impact: Impact, wide_change: int, names: Names) -> list[str]:
    """List dropped and emptied jobs, a wide change, allowed new errors, and packages newly unfree, insecure or broken.

    Args:
        jobs: all jobs of both sides.
        impact: what must be rebuilt.
        wide_change: the number of new derivations above which a change is wide.
        names: how attributes are called.
    """
    jobs = tuple(jobs)
    sentences = [f"head drops the job {job.job}" for job in jobs if job.missing_on == "head"]
    sentences += [f"job {job.job} has no package left" for job in jobs if _is_emptied(job)]
    if impact.total > wide_change:
        sentences.append(f"wide change: {counted(impact.total, 'derivation')} to rebuild, more than {wide_change:,}")
    tolerated = [
        names.label(Place(job.job, fault.attr)) if fault.attr else "an attribute the evaluator lost"
        for job in jobs
        if job.allow_eval_failures
        for fault in job.new_faults
        if not fault.concerns_whole_job and fault.kind is not FaultKind.REFUSED
    ]
    if tolerated:
        sentences.append(f"{counted(len(tolerated), 'new evaluation error')}, which the job allows: {few(tolerated)}")
    for phrase, marked in _MARKS:
        labels = names.labels(change.place for change in _newly(marked, jobs))
        if labels:
            verb, _, rest = phrase.partition(" ")
            agreed = verb if len(labels) == 1 else _PLURAL[verb]
            sentences.append(f"{counted(len(labels), 'package')} now {agreed} {rest}: {few(labels)}")
    return sentences


def _is_emptied(job: JobComparison) -> bool:
    broken = any(fault.concerns_whole_job for fault in job.head_faults)
    return job.missing_on is None and not broken and job.packages_on_base > 0 == job.packages_on_head


def _newly(marked: Callable[[PackageMeta], bool], jobs: Iterable[JobComparison]) -> Iterator[AttributeChange]:
    for job in jobs:
        for change in (*job.changes, *job.meta_only):
            was = change.base is not None and marked(change.base.meta)
            if change.head is not None and marked(change.head.meta) and not was:
                yield change

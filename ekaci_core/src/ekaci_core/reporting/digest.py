"""A report, sorted into what its sections show; the renderers share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from ekaci_core.model.change import AttributeChange, Change, Failure, JobComparison, Outcome, Place, Standing
from ekaci_core.model.evaluation import AttributeFault
from ekaci_core.model.report import Report
from ekaci_core.reporting.naming import Names


@attrs.frozen
class JobFault:
    """An evaluation error and the job it stands in. ``label`` is how its attribute is called, where it has one."""

    job: str
    fault: AttributeFault
    label: str

    @property
    def subject(self) -> str:
        """What could not be evaluated: the attribute, or the job as a whole."""
        if self.fault.attr is None:
            return f"{self.job}: unknown attribute"
        return self.label or f"job {self.job}"


@attrs.frozen
class Digest:
    """Who stands where; what several jobs have alike stands there once.

    ``licences`` and ``maintainers`` include attributes whose derivation did not change. ``names`` is how attributes are
    called. ``flaky`` are those whose derivation failed and then passed, wherever they stand.
    """

    names: Names
    standing: Mapping[Standing, tuple[Outcome, ...]]
    added: tuple[AttributeChange, ...]
    removed: tuple[AttributeChange, ...]
    bumped: tuple[AttributeChange, ...]
    renamed: tuple[AttributeChange, ...]
    licences: tuple[AttributeChange, ...]
    maintainers: tuple[AttributeChange, ...]
    rebuild_only: tuple[AttributeChange, ...]
    new_errors: tuple[JobFault, ...]
    known_errors: tuple[JobFault, ...]
    fixed_errors: tuple[JobFault, ...]
    failures_of: Mapping[Place, tuple[Failure, ...]]
    flaky: tuple[Outcome, ...]


def digest(report: Report) -> Digest:
    """Sort a report into its sections, each in the order of the report."""
    names = Names.of(report.jobs, report.outcomes)
    changes = [change for job in report.jobs for change in job.changes]
    with_meta = [*changes, *(change for job in report.jobs for change in job.meta_only)]

    def where(
        test: Callable[[AttributeChange], bool], among: Iterable[AttributeChange] = changes
    ) -> tuple[AttributeChange, ...]:
        return tuple({names.label(change.place): change for change in among if test(change)}.values())

    def standing(which: Standing) -> tuple[Outcome, ...]:
        return tuple({names.label(o.change.place): o for o in report.outcomes if o.standing is which}.values())

    def faults(of: Callable[[JobComparison], Iterable[AttributeFault]]) -> tuple[JobFault, ...]:
        return tuple(
            JobFault(job.job, fault, names.label(Place(job.job, fault.attr)) if fault.attr else "")
            for job in report.jobs
            for fault in of(job)
        )

    return Digest(
        names=names,
        standing={each: standing(each) for each in Standing},
        added=where(lambda change: change.change is Change.ADDED),
        removed=where(lambda change: change.change is Change.REMOVED),
        bumped=where(lambda change: change.is_version_bump),
        renamed=where(lambda change: change.is_renamed),
        licences=where(lambda change: change.licenses_changed, with_meta),
        maintainers=where(lambda change: change.maintainers_changed, with_meta),
        rebuild_only=where(lambda change: change.is_rebuild_only),
        new_errors=faults(lambda job: job.new_faults),
        known_errors=faults(lambda job: job.known_faults),
        fixed_errors=faults(lambda job: job.fixed_faults),
        failures_of=_by_place(report.failures),
        flaky=tuple({names.label(o.change.place): o for o in report.outcomes if o.flaky}.values()),
    )


def _by_place(failures: Iterable[Failure]) -> dict[Place, tuple[Failure, ...]]:
    found: dict[Place, tuple[Failure, ...]] = {}
    for failure in failures:
        for place in failure.places:
            found[place] = (*found.get(place, ()), failure)
    return found

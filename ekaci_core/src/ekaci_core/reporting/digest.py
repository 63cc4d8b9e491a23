"""A report, sorted into what its sections show; the renderers share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from ekaci_core.model.change import AttributeChange, Change, Failure, Outcome, Standing
from ekaci_core.model.evaluation import AttributeFault
from ekaci_core.model.ids import AttrPath
from ekaci_core.model.report import Report


@attrs.frozen
class JobFault:
    """An evaluation error and the job it stands in."""

    job: str
    fault: AttributeFault

    @property
    def subject(self) -> str:
        """What could not be evaluated: the attribute, or the job as a whole."""
        if self.fault.attr is None:
            return f"{self.job}: unknown attribute"
        return self.fault.attr or f"job {self.job}"


@attrs.frozen
class Digest:
    """Who stands where. ``licences`` and ``maintainers`` include attributes whose derivation did not change."""

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
    failures_of: Mapping[AttrPath, tuple[Failure, ...]]


def digest(report: Report) -> Digest:
    """Sort a report into its sections, each in the order of the report."""
    changes = [change for job in report.jobs for change in job.changes]
    with_meta = [*changes, *(change for job in report.jobs for change in job.meta_only)]

    def where(
        test: Callable[[AttributeChange], bool], among: Iterable[AttributeChange] = changes
    ) -> tuple[AttributeChange, ...]:
        return tuple(change for change in among if test(change))

    return Digest(
        standing={each: tuple(o for o in report.outcomes if o.standing is each) for each in Standing},
        added=where(lambda change: change.change is Change.ADDED),
        removed=where(lambda change: change.change is Change.REMOVED),
        bumped=where(lambda change: change.is_version_bump),
        renamed=where(lambda change: change.is_renamed),
        licences=where(lambda change: change.licenses_changed, with_meta),
        maintainers=where(lambda change: change.maintainers_changed, with_meta),
        rebuild_only=where(lambda change: change.is_rebuild_only),
        new_errors=tuple(JobFault(job.job, fault) for job in report.jobs for fault in job.new_faults),
        known_errors=tuple(JobFault(job.job, fault) for job in report.jobs for fault in job.known_faults),
        fixed_errors=tuple(JobFault(job.job, fault) for job in report.jobs for fault in job.fixed_faults),
        failures_of=_by_attribute(report.failures),
    )


def _by_attribute(failures: Iterable[Failure]) -> dict[AttrPath, tuple[Failure, ...]]:
    found: dict[AttrPath, tuple[Failure, ...]] = {}
    for failure in failures:
        for attr in failure.attrs:
            found[attr] = (*found.get(attr, ()), failure)
    return found

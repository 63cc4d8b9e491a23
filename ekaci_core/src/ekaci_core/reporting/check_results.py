"""The checks of what a review has found: evaluations, the summary, the verdict, and what fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.model.change import Change, Failure, JobComparison, Outcome, Standing
from ekaci_core.model.check import Annotation, AnnotationLevel, Check, Conclusion
from ekaci_core.model.evaluation import AttributeFault, FaultKind
from ekaci_core.model.report import Report
from ekaci_core.model.verdict import Decision, Verdict
from ekaci_core.reporting.checks import (
    SUMMARY,
    VERDICT,
    Subject,
    conclusion_of,
    evaluate_context,
    with_approval,
    with_rerun,
)
from ekaci_core.reporting.clean import clean, clean_lines
from ekaci_core.reporting.digest import Digest, digest
from ekaci_core.reporting.explain import why
from ekaci_core.reporting.markdown import render_markdown
from ekaci_core.reporting.markdown_budget import cut
from ekaci_core.reporting.markdown_escape import code, escape, fenced
from ekaci_core.reporting.wording import counted

MAX_FAILED_CHECKS: Final = 20
"""Checks of single packages that one review makes, unless the server's configuration says otherwise."""

MAX_FAILED_STATUSES: Final = 20
"""At most of them where they are commit statuses: forges show these one below the other, and never forget one."""

JOBS_APART: Final = 5
"""Jobs whose evaluations have a check each; those of more stand in one, so that the writes of a push stay bounded."""

ANNOTATIONS: Final = 50
"""Of one check: forges take so many with one write."""

_CHANGES: Final = {Change.ADDED: "New", Change.CHANGED: "Changed", Change.REMOVED: "Removed"}
_TITLES: Final = {Decision.MERGE: "Merge", Decision.WAIT: "Wait", Decision.DO_NOT_MERGE: "Do not merge"}
_FAILING: Final = (Standing.NEWLY_FAILING, Standing.FAILING_BASE_UNKNOWN, Standing.STILL_FAILING)
_ERRORS: Final = 30
_MESSAGE_LINES: Final = 8
_TITLE: Final = 200
_OTHERS: Final = "others"


def evaluated(subject: Subject, jobs: Sequence[JobComparison]) -> tuple[Check, ...]:
    """One check for each job's evaluation, or for the last of very many together."""
    if len(jobs) <= JOBS_APART:
        return tuple(_evaluated(subject, evaluate_context(job.job), [job]) for job in jobs)
    apart, together = jobs[: JOBS_APART - 1], jobs[JOBS_APART - 1 :]
    first = tuple(_evaluated(subject, evaluate_context(job.job), [job]) for job in apart)
    return (*first, _evaluated(subject, evaluate_context(_OTHERS), together))


def concluded(subject: Subject, report: Report, *, most: int = MAX_FAILED_CHECKS) -> tuple[Check, ...]:
    """The last checks of a review: summary, single failures (the first ``most``), and the verdict."""
    markdown = render_markdown(report)
    verdict = report.verdict
    conclusion = conclusion_of(verdict.decision)
    title = _title(verdict)
    last = with_rerun(subject.completed(VERDICT, conclusion, title, _reasons(report)))
    return (
        subject.completed(SUMMARY, Conclusion.NEUTRAL, _summary_title(report), markdown),
        *_failures(subject, report, most),
        with_approval(last) if any(map(_refused, report.jobs)) else last,
    )


def _refused(job: JobComparison) -> bool:
    return any(fault.kind is FaultKind.REFUSED for fault in job.new_faults)


def _evaluated(subject: Subject, context: str, jobs: Sequence[JobComparison]) -> Check:
    proven = [job for job in jobs if any(fault.kind is not FaultKind.REFUSED for fault in job.new_faults)]
    blocked = any(not job.allow_eval_failures for job in proven)
    refused = Conclusion.ACTION_REQUIRED if any(map(_refused, jobs)) else Conclusion.SUCCESS
    new = [fault for job in jobs for fault in job.new_faults]
    packages = sum(job.packages_on_head for job in jobs)
    title = f"{counted(packages, 'package')}, {counted(len(new), 'new evaluation error')}"
    lines = [line for job in jobs for line in _job_lines(job)]
    lines += [line for fault in new[:_ERRORS] for line in _fault_lines(fault)]
    if len(new) > _ERRORS:
        lines += ["", f"… and {len(new) - _ERRORS:,} more"]
    check = subject.completed(context, Conclusion.FAILURE if blocked else refused, title, cut("\n".join(lines)))
    return attrs.evolve(check, annotations=tuple(islice(_annotations(new, blocked=blocked), ANNOTATIONS)))


def _job_lines(job: JobComparison) -> list[str]:
    counts = ", ".join(
        f"{job.count(change):,} {word.lower()}" for change, word in _CHANGES.items() if job.count(change)
    )
    dropped = " This change drops the job." if job.missing_on == "head" else ""
    known = f" {counted(len(job.known_faults), 'evaluation error')} that base has too." if job.known_faults else ""
    return [f"**{escape(job.job)}**: {counts or 'nothing changed'}.{dropped}{known}", ""]


def _fault_lines(fault: AttributeFault) -> list[str]:
    where = f" at {code(fault.position)}" if fault.position else ""
    name = code(fault.attr) if fault.attr else "the job"
    message = [line for line in clean_lines(fault.message) if line][:_MESSAGE_LINES] or ["no message"]
    return ["", f"{name}{where}", "", *fenced(message)]


def _annotations(faults: Iterable[AttributeFault], *, blocked: bool) -> Iterable[Annotation]:
    level = AnnotationLevel.FAILURE if blocked else AnnotationLevel.WARNING
    for fault in faults:
        file, _, rest = (fault.position or "").partition(":")
        line = rest.partition(":")[0]
        if file and not file.startswith("/") and line.isdecimal():
            message = next((text for text in reversed(clean_lines(fault.message)) if text), "it cannot be evaluated")
            yield Annotation(file, int(line), level, message, clean(fault.attr or "evaluation"))


def _title(verdict: Verdict) -> str:
    first = next((each.text for each in verdict.reasons if each.speaks_for is verdict.decision), "")
    attention = " (needs attention)" if verdict.attention else ""
    words = f"{_TITLES[verdict.decision]}{attention}" + (f": {first}" if first else "")
    return clean(words)[:_TITLE]


def _reasons(report: Report) -> str:
    lines = [f"- {escape(each.text)}" for each in report.verdict.reasons] or ["Nothing speaks against it."]
    if report.notes:
        lines += ["", "Notes:", "", *(f"- {escape(each)}" for each in report.notes)]
    return cut("\n".join(lines))


def _summary_title(report: Report) -> str:
    changed = sum(len(job.changes) for job in report.jobs)
    return f"{counted(changed, 'package')} changed, {counted(report.impact.total, 'derivation')} new"


def _failures(subject: Subject, report: Report, most: int) -> Iterable[Check]:
    found = digest(report)
    failing = [each for standing in _FAILING for each in found.standing[standing]]
    return tuple(_failure(subject, each, found) for each in islice(failing, most))


def _failure(subject: Subject, outcome: Outcome, found: Digest) -> Check:
    change = outcome.change
    context = f"{clean(change.attr)} / {_CHANGES[change.change]} ({change.job})"
    culprits = found.failures_of.get(change.place, ())
    timed_out = outcome.head_state is BuildState.TIMEOUT
    conclusion = Conclusion.TIMED_OUT if timed_out else Conclusion.FAILURE
    known = " On base it fails as well." if outcome.standing is Standing.STILL_FAILING else ""
    summary = f"{escape(why(outcome, found))}.{known}"
    text = cut("\n".join(line for culprit in culprits for line in _culprit(culprit)))
    title = f"{outcome.standing.value[:1].upper()}{outcome.standing.value[1:]}"
    return attrs.evolve(subject.completed(context, conclusion, title, summary), text=text)


def _culprit(failure: Failure) -> list[str]:
    lines = [f"### {escape(failure.drv.name)}", "", f"{code(failure.drv)}: {escape(failure.reason)}", ""]
    lines += ["To see it again:", "", *fenced([failure.reproduce]), ""]
    if failure.log_tail:
        lines += ["The end of its log:", "", *fenced(failure.log_tail), ""]
    return lines

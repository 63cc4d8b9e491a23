"""The report as JUnit XML: a test case for each added or changed attribute and each evaluation error of head."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.etree import ElementTree as ET

from ekaci_core.model.change import Failure, JobComparison, Outcome, Standing
from ekaci_core.model.evaluation import AttributeFault, FaultKind
from ekaci_core.model.report import Report
from ekaci_core.model.verdict import Decision
from ekaci_core.reporting.clean import clean, clean_lines
from ekaci_core.reporting.digest import Digest, JobFault, digest
from ekaci_core.reporting.explain import why
from ekaci_core.reporting.verdict import NO_EVIDENCE

_MACHINE: Final = "infrastructure"


def render_junit(report: Report) -> str:
    """Render as XML 1.0.

    What speaks against merging is a ``failure``; what keeps evidence from being complete is an ``error``; what base
    has too, or the job allows, is ``skipped``. So a consumer that counts failures and errors agrees with the verdict.
    """
    found = digest(report)
    root = ET.Element("testsuites", name="ekaci")
    for job in report.jobs:
        outcomes = [each for each in report.outcomes if each.change.job == job.job]
        _suite(root, clean(job.job), [*_attributes(outcomes, found), *_errors(job)])
    if report.infrastructure:
        _suite(root, _MACHINE, [_problem(_MACHINE, fault, "error", fault) for fault in report.infrastructure])
    _agree(root, report)
    totals = {
        key: sum(int(suite.get(key, "0")) for suite in root) for key in ("tests", "failures", "errors", "skipped")
    }
    for key, number in totals.items():
        root.set(key, str(number))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _agree(root: ET.Element, report: Report) -> None:
    """Tell a verdict against merging, or of missing evidence, that no single test case tells."""
    verdict = report.verdict
    if verdict.decision is not Decision.MERGE and root.find(".//failure") is None and root.find(".//error") is None:
        tag = "failure" if verdict.decision is Decision.DO_NOT_MERGE else "error"
        reasons = [reason.text for reason in verdict.reasons if reason.speaks_for is verdict.decision]
        _suite(root, "verdict", [_problem("verdict", verdict.decision.value, tag, "; ".join(reasons))])


def _suite(root: ET.Element, name: str, cases: Iterable[ET.Element]) -> None:
    suite = ET.SubElement(root, "testsuite", name=name)
    suite.extend(cases)
    suite.set("tests", str(len(suite)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(tag) is not None for case in suite)))


def _case(job: str, name: str) -> ET.Element:
    return ET.Element("testcase", classname=clean(job), name=clean(name))


def _problem(job: str, name: str, tag: str, message: str, text: str = "") -> ET.Element:
    case = _case(job, name)
    problem = ET.SubElement(case, tag, message=clean(message))
    problem.text = text or None
    return case


_TAGS: Final = {
    Standing.NEWLY_FAILING: "failure",
    Standing.FAILING_BASE_UNKNOWN: "error",
    Standing.STILL_FAILING: "skipped",
}


def _attributes(outcomes: Iterable[Outcome], found: Digest) -> Iterable[ET.Element]:
    for outcome in outcomes:
        change = outcome.change
        tag = _TAGS.get(outcome.standing)
        if tag:
            text = "\n\n".join(_told(failure) for failure in found.failures_of.get(change.place, ()))
            yield _problem(change.job, change.attr, tag, f"{outcome.standing.value}: {why(outcome, found)}", text)
        elif outcome.standing is Standing.UNKNOWN:
            state = outcome.head_state.label if outcome.head_state else "not built"
            yield _problem(change.job, change.attr, "error", f"no result: {state}")
        elif outcome.standing is not Standing.REMOVED:
            yield _case(change.job, change.attr)


def _told(failure: Failure) -> str:
    log = [clean(line) for line in failure.log_tail]
    return "\n".join([f"{failure.drv}: {clean(failure.reason)}", *log, f"reproduce: {failure.reproduce}"])


def _errors(job: JobComparison) -> Iterable[ET.Element]:
    new = set(job.new_faults)
    for fault in (*job.new_faults, *job.known_faults):
        tag, prefix = _error_tag(job, fault, is_new=fault in new)
        first, *_ = [line for line in clean_lines(fault.message) if line] or ["no message"]
        text = "\n".join(clean_lines(fault.message))
        subject = JobFault(job.job, fault, fault.attr or "").subject
        yield _problem(job.job, f"evaluation of {subject}", tag, f"{prefix}: {first}", text)


def _error_tag(job: JobComparison, fault: AttributeFault, *, is_new: bool) -> tuple[str, str]:
    if fault.concerns_whole_job:
        if is_new and fault.kind in NO_EVIDENCE:
            return "error", _no_evidence(fault)
        return (
            ("failure", "cannot be evaluated any more") if is_new else ("error", "cannot be evaluated on either side")
        )
    if not is_new:
        return "skipped", "on base too"
    if fault.kind is FaultKind.REFUSED:
        return "error", _no_evidence(fault)
    if job.allow_eval_failures:
        return "skipped", "allowed by the job"
    return ("error", _no_evidence(fault)) if fault.kind in NO_EVIDENCE else ("failure", "new on head")


def _no_evidence(fault: AttributeFault) -> str:
    return "not allowed" if fault.kind is FaultKind.REFUSED else "infrastructure"

"""The report as JSON; its schema is docs/reference/schemas/report.schema.json."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

from ekaci_core.model.build import BuildState
from ekaci_core.model.change import AttributeChange, Change, Failure, JobComparison, Outcome, Side
from ekaci_core.model.report import Report
from ekaci_core.model.repository import Revision
from ekaci_core.reporting.clean import clean, clean_lines
from ekaci_core.reporting.digest import Digest, JobFault, digest

FORMAT_VERSION: Final = 1
"""Grows when a key changes its meaning or goes; new keys do not change it."""


def render_json(report: Report) -> str:
    """Render the whole report; nothing is left out, whatever the settings for people say, and names are exact.

    A line for each key, and one for each element of a list: fit for line tools, and quickly written.
    """
    return (
        "{\n" + ",\n".join(f"  {_dumped(key)}: {_spread(value)}" for key, value in document(report).items()) + "\n}\n"
    )


def _spread(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {_dumped(each)}" for each in value) + "\n  ]"
    return _dumped(value)


# Escaped to ASCII, so that no name has power over a terminal and every encoding can carry it.
_dumped: Final = json.JSONEncoder(check_circular=False).encode


def document(report: Report) -> dict[str, Any]:
    """Return the report as plain JSON data."""
    found = digest(report)
    return {
        "format_version": FORMAT_VERSION,
        "verdict": report.verdict.decision.value,
        "attention": report.verdict.attention,
        "infrastructure_fault": report.verdict.infrastructure_fault,
        "exit_status": report.verdict.exit_status,
        "reasons": [clean(reason.text) for reason in report.verdict.reasons],
        "repository": clean(report.repository),
        "base": _revision(report.base),
        "head": _revision(report.head),
        "evaluator": clean(report.evaluator),
        "counts": _counts(report),
        "standings": dict(Counter(outcome.standing.value for outcome in report.outcomes)),
        "new_derivations": dict(report.impact.new_derivations),
        "rebuilt_packages": dict(report.impact.rebuilt_packages),
        "top_blast_radius": [
            {
                "drv": each.drv,
                "name": each.name,
                "system": each.system,
                "attrs": list(each.attrs),
                "dependents": each.dependents,
            }
            for each in report.impact.top
        ],
        "jobs": [_job(job) for job in report.jobs],
        "attributes": [_attribute(outcome, report) for outcome in report.outcomes],
        "metadata_changes": [_metadata_change(change) for job in report.jobs for change in job.meta_only],
        "failures": [_failure(failure) for failure in report.failures],
        "evaluation_errors": _errors(found),
        "built": report.built,
        "notes": [clean(note) for note in report.notes],
        "infrastructure": [clean(fault) for fault in report.infrastructure],
        "timings": {stage: round(seconds, 3) for stage, seconds in report.timings.items()},
    }


def _revision(revision: Revision) -> dict[str, Any]:
    return {
        "commit": revision.commit,
        "tree": revision.tree,
        "label": clean(revision.label),
        "dirty": revision.dirty,
    }


def _counts(report: Report) -> dict[str, int]:
    counts = Counter[str]()
    for job in report.jobs:
        counts.update(_job_counts(job))
    return {key: counts[key] for key in _COUNTS} | {"new_derivations": report.impact.total}


_COUNTS: Final = (
    "added",
    "removed",
    "changed",
    "unchanged",
    "errors_base",
    "errors_head",
    "new_errors",
    "fixed_errors",
)


def _job_counts(job: JobComparison) -> dict[str, int]:
    return {
        "added": job.count(Change.ADDED),
        "removed": job.count(Change.REMOVED),
        "changed": job.count(Change.CHANGED),
        "unchanged": job.unchanged,
        "errors_base": len(job.base_faults),
        "errors_head": len(job.head_faults),
        "new_errors": len(job.new_faults),
        "fixed_errors": len(job.fixed_faults),
    }


def _job(job: JobComparison) -> dict[str, Any]:
    return {
        "job": job.job,
        "missing_on": job.missing_on,
        "allow_eval_failures": job.allow_eval_failures,
        "counts": _job_counts(job),
    }


def _attribute(outcome: Outcome, report: Report) -> dict[str, Any]:
    change = outcome.change
    head = change.head
    return {
        "attr": change.attr,
        "job": change.job,
        "system": change.system,
        "change": change.change.value,
        "base_drv": change.base.drv if change.base else None,
        "head_drv": head.drv if head else None,
        "base_state": _state(outcome.base_state),
        "head_state": _state(outcome.head_state),
        "base_evaluation_error": change.base_fault,
        "head_evaluation_error": change.head_fault,
        "standing": outcome.standing.value,
        "flaky": outcome.flaky,
        "base": _package(change.base),
        "head": _package(head),
        "version_bump": change.is_version_bump,
        "licenses_changed": change.licenses_changed,
        "maintainers_changed": change.maintainers_changed,
        "rebuild_only": change.is_rebuild_only,
        "dependents": report.impact.dependents.get(head.drv) if head else None,
    }


def _metadata_change(change: AttributeChange) -> dict[str, Any]:
    return {
        "attr": change.attr,
        "job": change.job,
        "system": change.system,
        "drv": change.head.drv if change.head else None,
        "base": _package(change.base),
        "head": _package(change.head),
    }


def _state(state: BuildState | None) -> str | None:
    return None if state is None else state.label


def _package(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    meta = side.meta
    return {
        "name": side.name,
        "pname": side.pname,
        "version": side.version,
        "licenses": list(meta.licenses),
        "maintainers": list(meta.maintainers),
        "position": meta.position,
        "broken": meta.broken,
        "insecure": meta.insecure,
        "unfree": meta.unfree,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "attrs": list(failure.attrs),
        "breaks": [{"job": place.job, "attr": place.attr} for place in failure.places],
        "drv": failure.drv,
        "system": failure.system,
        "state": failure.state.label,
        "reason": clean(failure.reason),
        "log_tail": [clean(line) for line in failure.log_tail],
        "log_path": failure.log_path,
        "reproduce": failure.reproduce,
        "on_base_too": failure.on_base_too,
    }


def _errors(found: Digest) -> list[dict[str, Any]]:
    return [
        *(_error(each, "new") for each in found.new_errors),
        *(_error(each, "known") for each in found.known_errors),
        *(_error(each, "fixed") for each in found.fixed_errors),
    ]


def _error(each: JobFault, status: str) -> dict[str, Any]:
    fault = each.fault
    return {
        "job": each.job,
        "attr": fault.attr,
        "status": status,
        "kind": fault.kind.value,
        "message": "\n".join(clean_lines(fault.message)),
        "position": fault.position,
    }

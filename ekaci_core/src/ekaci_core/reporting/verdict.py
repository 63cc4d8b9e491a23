"""The answer to "should I merge this?", from what is known and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.model.change import Impact, JobComparison, Outcome, Standing
from ekaci_core.model.evaluation import AttributeFault, FaultKind
from ekaci_core.model.verdict import Decision, Reason, Verdict
from ekaci_core.reporting.attention import attention_reasons
from ekaci_core.reporting.clean import clean
from ekaci_core.reporting.wording import counted, few

WIDE_CHANGE: Final = 500
"""New derivations above which a change is wide: where nixpkgs sends a pull request to its staging branch."""

MACHINE_FAULTS: Final = frozenset({FaultKind.OUT_OF_MEMORY, FaultKind.EVALUATOR_DIED})
"""Evaluation errors that the machine may be to blame for: no evidence against a change."""

_MACHINE_STATES: Final = frozenset({BuildState.OUT_OF_MEMORY, BuildState.PROCESS_DEATH})


@attrs.frozen
class Findings:
    """All that the verdict depends on.

    ``infrastructure`` are sentences about faults of the machine, ``no_build`` says that nothing was to be built, and
    ``interrupted`` that a person stopped the review.
    """

    jobs: tuple[JobComparison, ...]
    outcomes: tuple[Outcome, ...]
    impact: Impact
    infrastructure: tuple[str, ...] = ()
    no_build: bool = False
    interrupted: bool = False
    wide_change: int = WIDE_CHANGE


def judge(findings: Findings) -> Verdict:
    """Decide, and give the reasons in order of weight.

    Do not merge what is proven to break something; wait where evidence is missing; merge the rest.
    """
    against = [*_broken_jobs(findings.jobs), *_newly_failing(findings.outcomes), *_new_errors(findings.jobs)]
    missing = [
        *findings.infrastructure,
        *_jobs_without_evidence(findings.jobs),
        *_machine_errors(findings.jobs),
        *_base_unknown(findings.outcomes),
        *_without_result(findings),
    ]
    if findings.no_build and not missing and any(each.standing is not Standing.REMOVED for each in findings.outcomes):
        missing.append("nothing was built now (--no-build): all results are those of earlier reviews")
    if findings.interrupted:
        missing.append("the review was interrupted; run it again to go on from here")
    if not against and not missing:
        missing += _nothing_left(findings.jobs)
    attention = attention_reasons(findings.jobs, findings.impact, findings.wide_change)
    decision = Decision.DO_NOT_MERGE if against else Decision.WAIT if missing else Decision.MERGE
    return Verdict(
        decision=decision,
        attention=bool(attention),
        reasons=(
            *_reasons(Decision.DO_NOT_MERGE, against),
            *_reasons(Decision.WAIT, missing),
            *(Reason(Decision.MERGE, clean(text), attention=True) for text in attention),
            *_reasons(Decision.MERGE, _informing(findings)),
        ),
        infrastructure_fault=_is_infrastructure_fault(findings),
    )


def _reasons(decision: Decision, texts: Iterable[str]) -> list[Reason]:
    return [Reason(decision, clean(text)) for text in texts]


def _broken_jobs(jobs: Iterable[JobComparison]) -> list[str]:
    """Name jobs that head breaks as a whole; what a job may fail in part does not excuse that."""
    return [
        f"job {job.job} cannot be evaluated any more: {_first_line(fault.message)}"
        for job in jobs
        for fault in job.new_faults
        if fault.concerns_whole_job and fault.kind not in MACHINE_FAULTS
    ]


def _jobs_without_evidence(jobs: Sequence[JobComparison]) -> list[str]:
    if not jobs:
        return ["there is no job, so nothing was compared"]
    found = []
    for job in jobs:
        whole = [fault for fault in job.known_faults if fault.concerns_whole_job]
        found += [
            f"job {job.job} can be evaluated on neither side, so nothing was compared: {_first_line(fault.message)}"
            for fault in whole
        ]
        if not whole and job.known_faults and not job.packages_on_base and not job.packages_on_head:
            found.append(f"nothing of job {job.job} can be evaluated on either side, so nothing was compared")
    return found


def _nothing_left(jobs: Sequence[JobComparison]) -> list[str]:
    """Say that there is nothing on head that could be proven to work: no answer is better than an empty one."""
    if any(job.packages_on_head for job in jobs):
        return []
    if any(job.packages_on_base for job in jobs):
        return ["head has no package left, so nothing shows that it works"]
    return ["there is no package on either side, so nothing was compared"]


def _newly_failing(outcomes: Iterable[Outcome]) -> list[str]:
    failing = _with_standing(outcomes, Standing.NEWLY_FAILING)
    if not failing:
        return []
    timeouts = sum(each.head_state is BuildState.TIMEOUT for each in failing)
    suffix = f" ({timeouts} timed out)" if timeouts else ""
    return [f"{_packages(failing)} newly {'fails' if _is_one(failing) else 'fail'}: {few(_names(failing))}{suffix}"]


def _new_errors(jobs: Iterable[JobComparison]) -> list[str]:
    errors = [
        fault.attr or "an attribute the evaluator lost"
        for job in jobs
        if not job.allow_eval_failures
        for fault in job.new_faults
        if not fault.concerns_whole_job and fault.kind not in MACHINE_FAULTS
    ]
    return [f"{counted(len(errors), 'new evaluation error')}: {few(errors)}"] if errors else []


def _machine_faults(jobs: Iterable[JobComparison]) -> list[tuple[JobComparison, AttributeFault]]:
    return [
        (job, fault)
        for job in jobs
        for fault in job.new_faults
        if fault.kind in MACHINE_FAULTS and (fault.concerns_whole_job or not job.allow_eval_failures)
    ]


def _machine_errors(jobs: Iterable[JobComparison]) -> list[str]:
    sentences = {
        FaultKind.OUT_OF_MEMORY: "the evaluator ran out of memory at",
        FaultKind.EVALUATOR_DIED: "the evaluator died at",
    }
    faults = _machine_faults(jobs)
    found = {
        kind: [fault.attr or f"job {job.job}" for job, fault in faults if fault.kind is kind] for kind in sentences
    }
    return [f"{sentences[kind]} {few(names)}" for kind, names in found.items() if names]


def _base_unknown(outcomes: Iterable[Outcome]) -> list[str]:
    failing = _with_standing(outcomes, Standing.FAILING_BASE_UNKNOWN)
    if not failing:
        return []
    verb = "fails" if _is_one(failing) else "fail"
    return [f"{_packages(failing)} {verb}, and nothing is known of base: {few(_names(failing))}"]


_WHY_UNKNOWN: Final = {
    BuildState.OUT_OF_MEMORY: "ran out of memory while building",
    BuildState.PROCESS_DEATH: "lost the build process",
    BuildState.SCHEDULER_DEATH: "lost the scheduler while building",
    BuildState.CANCELLED: "cancelled",
    BuildState.UNSATISFIABLE: "not buildable here: no builder has the platform or features",
    BuildState.TRANSITIVE_FAILURE: "not buildable here: no builder takes a dependency",
    BuildState.BLOCKED: "held up: the build of a dependency was interrupted",
}


def _without_result(findings: Findings) -> list[str]:
    unknown = _with_standing(findings.outcomes, Standing.UNKNOWN)
    not_built = "not built (--no-build)" if findings.no_build else "not built yet"
    causes: dict[str, list[Outcome]] = {}
    for outcome in unknown:
        cause = _WHY_UNKNOWN.get(outcome.head_state, not_built) if outcome.head_state else not_built
        causes.setdefault(cause, []).append(outcome)
    by_count = sorted(causes.items(), key=lambda item: -len(item[1]))
    return [f"{_packages(each)} {cause}: {few(_names(each))}" for cause, each in by_count]


def _is_infrastructure_fault(findings: Findings) -> bool:
    return (
        bool(findings.infrastructure)
        or bool(_machine_faults(findings.jobs))
        or any(
            outcome.standing is Standing.UNKNOWN and outcome.head_state in _MACHINE_STATES
            for outcome in findings.outcomes
        )
    )


def _informing(findings: Findings) -> list[str]:
    outcomes = findings.outcomes
    sentences: list[str] = []
    still = _with_standing(outcomes, Standing.STILL_FAILING)
    if still:
        verb = "fails" if _is_one(still) else "fail"
        sentences.append(f"{_packages(still)} still {verb}, as on base: {few(_names(still))}")
    known = sum(len(job.known_faults) for job in findings.jobs)
    if known:
        sentences.append(f"{counted(known, 'evaluation error')} that base has too")
    fixed = sum(len(job.fixed_faults) for job in findings.jobs)
    if fixed:
        sentences.append(f"{counted(fixed, 'evaluation error')} of base {'is' if fixed == 1 else 'are'} gone")
    newly = _with_standing(outcomes, Standing.NEWLY_SUCCEEDING)
    if newly:
        sentences.append(
            f"{_packages(newly)} newly {'succeeds' if _is_one(newly) else 'succeed'}: {few(_names(newly))}"
        )
    good = _with_standing(
        outcomes, Standing.STILL_SUCCEEDING, Standing.SUCCEEDING_BASE_UNKNOWN, Standing.ADDED_SUCCEEDING
    )
    if good:
        sentences.append(f"{_packages(good)} added or changed {'builds' if _is_one(good) else 'build'}")
    removed = _with_standing(outcomes, Standing.REMOVED)
    if removed and len(removed) == len(outcomes):
        sentences.append("nothing to build: packages are only removed")
    if not outcomes and not _jobs_without_evidence(findings.jobs) and any(job.unchanged for job in findings.jobs):
        sentences.append("no derivation changes")
    return sentences


def _with_standing(outcomes: Iterable[Outcome], *standings: Standing) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.standing in standings]


def _names(outcomes: Sequence[Outcome]) -> list[str]:
    """Name the attributes, each once although several jobs may have it."""
    return list(dict.fromkeys(outcome.change.attr for outcome in outcomes))


def _is_one(outcomes: Sequence[Outcome]) -> bool:
    return len(_names(outcomes)) == 1


def _packages(outcomes: Sequence[Outcome]) -> str:
    return counted(len(_names(outcomes)), "package")


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "no message")

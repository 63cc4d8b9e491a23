"""The answer to "should I merge this?", from what is known and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ekaci_core.model.build import BuildState
from ekaci_core.model.change import Impact, JobComparison, Outcome, Place, Standing
from ekaci_core.model.evaluation import AttributeFault, FaultKind
from ekaci_core.model.verdict import Decision, Reason, Verdict
from ekaci_core.reporting.attention import attention_reasons
from ekaci_core.reporting.clean import clean
from ekaci_core.reporting.naming import Names
from ekaci_core.reporting.wording import counted, few

WIDE_CHANGE: Final = 500
"""New derivations above which a change is wide: where nixpkgs sends a pull request to its staging branch."""

MACHINE_FAULTS: Final = frozenset({FaultKind.OUT_OF_MEMORY, FaultKind.EVALUATOR_DIED})
"""Evaluation errors that the machine may be to blame for: no evidence against a change."""

NO_EVIDENCE: Final = MACHINE_FAULTS | {FaultKind.REFUSED}
"""Evaluation errors that prove nothing: what was refused may well be good."""

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
    names = Names.of(findings.jobs, findings.outcomes)
    told = _Told(findings.outcomes, names)
    against = [*_broken_jobs(findings.jobs), *_newly_failing(told), *_new_errors(findings.jobs, names)]
    missing = [
        *findings.infrastructure,
        *_jobs_without_evidence(findings.jobs),
        *_machine_errors(findings.jobs, names),
        *_refused(findings.jobs, names),
        *_base_unknown(told),
        *_without_result(told, no_build=findings.no_build),
    ]
    if findings.no_build and not missing and any(each.standing is not Standing.REMOVED for each in findings.outcomes):
        missing.append("nothing was built now (--no-build): all results are those of earlier reviews")
    if findings.interrupted:
        missing.append("the review was interrupted; run it again to go on from here")
    if not against and not missing:
        missing += _nothing_left(findings.jobs)
    attention = attention_reasons(findings.jobs, findings.impact, findings.wide_change, names)
    decision = Decision.DO_NOT_MERGE if against else Decision.WAIT if missing else Decision.MERGE
    return Verdict(
        decision=decision,
        attention=bool(attention),
        reasons=(
            *_reasons(Decision.DO_NOT_MERGE, against),
            *_reasons(Decision.WAIT, missing),
            *(Reason(Decision.MERGE, clean(text), attention=True) for text in attention),
            *_reasons(Decision.MERGE, _informing(findings.jobs, told)),
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
        if fault.concerns_whole_job and fault.kind not in NO_EVIDENCE
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


def _newly_failing(told: _Told) -> list[str]:
    failing = told.of(Standing.NEWLY_FAILING)
    if not failing:
        return []
    timeouts = len(_Group.of((each for each in failing.outcomes if each.head_state is BuildState.TIMEOUT), told.names))
    suffix = f" ({timeouts} timed out)" if timeouts else ""
    return [f"{failing} newly {failing.verb('fails', 'fail')}: {failing.listed}{suffix}"]


def _new_errors(jobs: Iterable[JobComparison], names: Names) -> list[str]:
    errors = [
        names.label(Place(job.job, fault.attr)) if fault.attr else "an attribute the evaluator lost"
        for job in jobs
        if not job.allow_eval_failures
        for fault in job.new_faults
        if not fault.concerns_whole_job and fault.kind not in NO_EVIDENCE
    ]
    return [f"{counted(len(errors), 'new evaluation error')}: {few(errors)}"] if errors else []


def _machine_faults(jobs: Iterable[JobComparison]) -> list[tuple[JobComparison, AttributeFault]]:
    return [
        (job, fault)
        for job in jobs
        for fault in job.new_faults
        if fault.kind in MACHINE_FAULTS and (fault.concerns_whole_job or not job.allow_eval_failures)
    ]


def _machine_errors(jobs: Iterable[JobComparison], names: Names) -> list[str]:
    sentences = {
        FaultKind.OUT_OF_MEMORY: "the evaluator ran out of memory at",
        FaultKind.EVALUATOR_DIED: "the evaluator died at",
    }
    faults = _machine_faults(jobs)
    found = {
        kind: [
            names.label(Place(job.job, fault.attr)) if fault.attr else f"job {job.job}"
            for job, fault in faults
            if fault.kind is kind
        ]
        for kind in sentences
    }
    return [f"{sentences[kind]} {few(labels)}" for kind, labels in found.items() if labels]


def _refused(jobs: Iterable[JobComparison], names: Names) -> list[str]:
    """Name what was not evaluated because of who wrote it, errors that a job allows included: it may be no error."""
    labels = [
        names.label(Place(job.job, fault.attr)) if fault.attr else f"job {job.job}"
        for job in jobs
        for fault in job.new_faults
        if fault.kind is FaultKind.REFUSED
    ]
    needs = "needs" if len(labels) == 1 else "need"
    why = "import from derivation, or reading this machine, which is not allowed for people without write access"
    return [f"{counted(len(labels), 'attribute')} {needs} {why}: {few(labels)}"] if labels else []


def _base_unknown(told: _Told) -> list[str]:
    failing = told.of(Standing.FAILING_BASE_UNKNOWN)
    if not failing:
        return []
    return [f"{failing} {failing.verb('fails', 'fail')}, and nothing is known of base: {failing.listed}"]


_WHY_UNKNOWN: Final = {
    BuildState.OUT_OF_MEMORY: "ran out of memory while building",
    BuildState.PROCESS_DEATH: "lost the build process",
    BuildState.SCHEDULER_DEATH: "lost the scheduler while building",
    BuildState.CANCELLED: "cancelled",
    BuildState.UNSATISFIABLE: "not buildable here: no builder has the platform or features",
    BuildState.TRANSITIVE_FAILURE: "not buildable here: no builder takes a dependency",
    BuildState.BLOCKED: "held up: the build of a dependency was interrupted",
}


def _without_result(told: _Told, *, no_build: bool) -> list[str]:
    not_built = "not built (--no-build)" if no_build else "not built yet"
    causes: dict[str, list[Outcome]] = {}
    for outcome in told.of(Standing.UNKNOWN).outcomes:
        cause = _WHY_UNKNOWN.get(outcome.head_state, not_built) if outcome.head_state else not_built
        causes.setdefault(cause, []).append(outcome)
    groups = {cause: _Group.of(outcomes, told.names) for cause, outcomes in causes.items()}
    by_count = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [f"{group} {cause}: {group.listed}" for cause, group in by_count]


def _is_infrastructure_fault(findings: Findings) -> bool:
    return (
        bool(findings.infrastructure)
        or bool(_machine_faults(findings.jobs))
        or any(
            outcome.standing is Standing.UNKNOWN and outcome.head_state in _MACHINE_STATES
            for outcome in findings.outcomes
        )
    )


def _informing(jobs: Sequence[JobComparison], told: _Told) -> list[str]:
    sentences: list[str] = []
    if still := told.of(Standing.STILL_FAILING):
        sentences.append(f"{still} still {still.verb('fails', 'fail')}, as on base: {still.listed}")
    known = sum(len(job.known_faults) for job in jobs)
    if known:
        sentences.append(f"{counted(known, 'evaluation error')} that base has too")
    fixed = sum(len(job.fixed_faults) for job in jobs)
    if fixed:
        sentences.append(f"{counted(fixed, 'evaluation error')} of base {'is' if fixed == 1 else 'are'} gone")
    if newly := told.of(Standing.NEWLY_SUCCEEDING):
        sentences.append(f"{newly} newly {newly.verb('succeeds', 'succeed')}: {newly.listed}")
    if good := told.of(Standing.STILL_SUCCEEDING, Standing.SUCCEEDING_BASE_UNKNOWN, Standing.ADDED_SUCCEEDING):
        sentences.append(f"{good} added or changed {good.verb('builds', 'build')}")
    if told.outcomes and len(told.of(Standing.REMOVED).outcomes) == len(told.outcomes):
        sentences.append("nothing to build: packages are only removed")
    if not told.outcomes and not _jobs_without_evidence(jobs) and any(job.unchanged for job in jobs):
        sentences.append("no derivation changes")
    return sentences


@attrs.frozen
class _Group:
    """Outcomes as a sentence tells them: each package once although several jobs may have it."""

    outcomes: tuple[Outcome, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], names: Names) -> _Group:
        outcomes = tuple(outcomes)
        return cls(outcomes, names.labels(outcome.change.place for outcome in outcomes))

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        return counted(len(self), "package")

    @property
    def listed(self) -> str:
        return few(self.labels)

    def verb(self, one: str, several: str) -> str:
        return one if len(self) == 1 else several


@attrs.frozen
class _Told:
    """All outcomes and how they are called."""

    outcomes: tuple[Outcome, ...]
    names: Names

    def of(self, *standings: Standing) -> _Group:
        return _Group.of((outcome for outcome in self.outcomes if outcome.standing in standings), self.names)


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "no message")

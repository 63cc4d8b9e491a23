from __future__ import annotations

from collections.abc import Iterable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.reporting.conftest import LINUX, MIT, change, comparison, fault, side

from ekaci_core.model.build import BuildState
from ekaci_core.model.change import AttributeChange, Impact, JobComparison, Outcome, Standing
from ekaci_core.model.evaluation import FaultKind
from ekaci_core.model.package import PackageMeta
from ekaci_core.model.verdict import Decision, Verdict
from ekaci_core.reporting import Findings, judge

NO_IMPACT = Impact({}, {}, ())


def outcome(attr: str, standing: Standing, head: BuildState | None = None) -> Outcome:
    base = None if standing is Standing.ADDED_SUCCEEDING else side("a-1")
    after = None if standing is Standing.REMOVED else side("a-1", "1")
    return Outcome(change(attr, base, after), None, head, standing)


def judged(
    *outcomes: Outcome,
    jobs: Iterable[JobComparison] = (comparison(unchanged=1),),
    infrastructure: tuple[str, ...] = (),
    no_build: bool = False,
    interrupted: bool = False,
    derivations: int = 0,
) -> Verdict:
    impact = attrs.evolve(NO_IMPACT, new_derivations={LINUX: derivations} if derivations else {})
    return judge(Findings(tuple(jobs), outcomes, impact, infrastructure, no_build, interrupted))


def texts(verdict: Verdict, decision: Decision | None = None) -> list[str]:
    return [each.text for each in verdict.reasons if decision is None or each.speaks_for is decision]


def test_nothing_changed() -> None:
    verdict = judged()

    assert verdict == Verdict(Decision.MERGE, attention=False, reasons=verdict.reasons)
    assert texts(verdict) == ["no derivation changes"]
    assert verdict.exit_status == 0


@pytest.mark.parametrize(
    ("standing", "decision", "text"),
    [
        (Standing.NEWLY_FAILING, Decision.DO_NOT_MERGE, "1 package newly fails: a"),
        (Standing.FAILING_BASE_UNKNOWN, Decision.WAIT, "1 package fails, and nothing is known of base: a"),
        (Standing.UNKNOWN, Decision.WAIT, "1 package not built yet: a"),
        (Standing.STILL_FAILING, Decision.MERGE, "1 package still fails, as on base: a"),
        (Standing.NEWLY_SUCCEEDING, Decision.MERGE, "1 package newly succeeds: a"),
        (Standing.STILL_SUCCEEDING, Decision.MERGE, "1 package added or changed builds"),
        (Standing.SUCCEEDING_BASE_UNKNOWN, Decision.MERGE, "1 package added or changed builds"),
        (Standing.ADDED_SUCCEEDING, Decision.MERGE, "1 package added or changed builds"),
        (Standing.REMOVED, Decision.MERGE, "nothing to build: packages are only removed"),
    ],
)
def test_each_standing(standing: Standing, decision: Decision, text: str) -> None:
    verdict = judged(outcome("a", standing))

    assert verdict.decision is decision
    assert texts(verdict) == [text]
    assert not verdict.attention


def test_many_names_are_counted() -> None:
    verdict = judged(*(outcome(name, Standing.NEWLY_FAILING) for name in "abcdefg"))

    assert texts(verdict) == ["7 packages newly fail: a, b, c, d, e and 2 more"]


def test_a_package_of_two_jobs_is_one_package() -> None:
    first = outcome("a", Standing.NEWLY_FAILING)
    second = attrs.evolve(first, change=attrs.evolve(first.change, job="other"))

    assert texts(judged(first, second)) == ["1 package newly fails: a"]


def test_timeouts_are_named() -> None:
    verdict = judged(outcome("a", Standing.NEWLY_FAILING, BuildState.TIMEOUT), outcome("b", Standing.NEWLY_FAILING))

    assert texts(verdict) == ["2 packages newly fail: a, b (1 timed out)"]


def test_reasons_come_by_weight() -> None:
    verdict = judged(
        outcome("ok", Standing.STILL_SUCCEEDING),
        outcome("known", Standing.STILL_FAILING),
        outcome("late", Standing.UNKNOWN),
        outcome("bad", Standing.NEWLY_FAILING),
        jobs=[comparison(new=[fault("worse", "error: no")]), comparison(job="old", missing_on="head")],
        derivations=501,
    )

    assert texts(verdict) == [
        "1 package newly fails: bad",
        "1 new evaluation error: worse",
        "1 package not built yet: late",
        "head drops the job old",
        "wide change: 501 derivations to rebuild, more than 500",
        "1 package still fails, as on base: known",
        "1 package added or changed builds",
    ]
    assert verdict.exit_status == 1


@pytest.mark.parametrize("state", [None, BuildState.QUEUED, BuildState.BUILDING])
def test_without_a_build_it_waits_and_says_so(state: BuildState | None) -> None:
    verdict = judged(outcome("a", Standing.UNKNOWN, state), no_build=True)

    assert verdict.exit_status == 4
    assert texts(verdict) == ["1 package not built (--no-build): a"]


@pytest.mark.parametrize(
    ("standing", "status"),
    [(Standing.STILL_SUCCEEDING, 4), (Standing.REMOVED, 0), (Standing.NEWLY_FAILING, 1)],
)
def test_earlier_results_alone_are_not_green(standing: Standing, status: int) -> None:
    assert judged(outcome("a", standing), no_build=True).exit_status == status


def test_without_a_build_nothing_is_needed_where_nothing_changed() -> None:
    assert judged(no_build=True).exit_status == 0


@pytest.mark.parametrize(
    ("state", "words", "status"),
    [
        (BuildState.OUT_OF_MEMORY, "out of memory", 3),
        (BuildState.PROCESS_DEATH, "lost the build process", 3),
        (BuildState.SCHEDULER_DEATH, "lost the scheduler", 4),
        (BuildState.CANCELLED, "cancelled", 4),
        (BuildState.UNSATISFIABLE, "no builder has the platform", 4),
        (BuildState.TRANSITIVE_FAILURE, "no builder takes a dependency", 4),
        (BuildState.BLOCKED, "a dependency was interrupted", 4),
    ],
)
def test_missing_evidence_is_never_green(state: BuildState, words: str, status: int) -> None:
    verdict = judged(outcome("a", Standing.UNKNOWN, state))

    assert verdict.decision is Decision.WAIT
    assert words in texts(verdict)[0]
    assert verdict.exit_status == status


def test_faults_of_the_machine_wait_with_a_status_of_their_own() -> None:
    verdict = judged(outcome("a", Standing.STILL_SUCCEEDING), infrastructure=("the daemon is gone",))

    assert verdict.decision is Decision.WAIT
    assert verdict.exit_status == 3
    assert texts(verdict)[0] == "the daemon is gone"


def test_a_proven_failure_outranks_a_fault_of_the_machine() -> None:
    verdict = judged(outcome("a", Standing.NEWLY_FAILING), infrastructure=("the daemon is gone",))

    assert verdict.infrastructure_fault
    assert verdict.exit_status == 1


def test_an_interrupted_review_waits() -> None:
    verdict = judged(outcome("a", Standing.STILL_SUCCEEDING), interrupted=True)

    assert verdict.exit_status == 4


def test_without_a_job_nothing_is_green() -> None:
    verdict = judged(jobs=[])

    assert verdict.decision is Decision.WAIT
    assert texts(verdict) == ["there is no job, so nothing was compared"]


@pytest.mark.parametrize(
    ("jobs", "text"),
    [
        ([comparison()], "there is no package on either side, so nothing was compared"),
        (
            [comparison([change("a", side("a-1"), None)])],
            "head has no package left, so nothing shows that it works",
        ),
        (
            [comparison([change("a", side("a-1"), None)], missing_on="head")],
            "head has no package left, so nothing shows that it works",
        ),
        (
            [comparison(known=[fault("a", "error: no")])],
            "nothing of job packages can be evaluated on either side, so nothing was compared",
        ),
        (
            [comparison(known=[fault("a", "error: no")]), comparison(job="other", unchanged=1)],
            "nothing of job packages can be evaluated on either side, so nothing was compared",
        ),
        (
            [comparison([change("a", side("a-1"), None)], new=[fault("a", "error: no")], allow_eval_failures=True)],
            "head has no package left, so nothing shows that it works",
        ),
    ],
)
def test_without_a_package_nothing_is_green(jobs: list[JobComparison], text: str) -> None:
    verdict = judged(jobs=jobs)

    assert verdict.exit_status == 4
    assert texts(verdict, Decision.WAIT) == [text]
    assert "no derivation changes" not in texts(verdict)


def test_what_is_proven_needs_no_remark_that_nothing_is_left() -> None:
    verdict = judged(jobs=[comparison([change("a", side("a-1"), None)], new=[fault("", "error: syntax error")])])

    assert verdict.exit_status == 1
    assert texts(verdict, Decision.WAIT) == []


def test_a_job_that_becomes_empty_asks_for_attention() -> None:
    emptied = comparison([change("a", side("a-1"), None)])

    verdict = judged(outcome("a", Standing.REMOVED), jobs=[emptied, comparison(job="other", unchanged=1)])

    assert (verdict.decision, verdict.attention) == (Decision.MERGE, True)
    assert texts(verdict)[0] == "job packages has no package left"


NEW, KNOWN, FIXED = fault("new", "error: new"), fault("known", "error: known"), fault("fixed", "error: fixed")


def test_evaluation_errors_of_base_do_not_block() -> None:
    verdict = judged(jobs=[comparison(unchanged=1, known=[KNOWN], fixed=[FIXED])])

    assert verdict.decision is Decision.MERGE
    assert "1 evaluation error that base has too" in texts(verdict)
    assert "1 evaluation error of base is gone" in texts(verdict)


@pytest.mark.parametrize(("allowed", "decision"), [(False, Decision.DO_NOT_MERGE), (True, Decision.MERGE)])
def test_new_evaluation_errors_block_unless_allowed(*, allowed: bool, decision: Decision) -> None:
    verdict = judged(jobs=[comparison(unchanged=1, new=[NEW], known=[KNOWN], allow_eval_failures=allowed)])

    assert verdict.decision is decision
    assert verdict.attention is allowed


@pytest.mark.parametrize("allowed", [False, True])
def test_a_job_that_head_breaks_as_a_whole_always_blocks(*, allowed: bool) -> None:
    broken = fault("", "\nerror: syntax error, unexpected '}'\n  at ci.nix:3:1")

    verdict = judged(jobs=[comparison(new=[broken], allow_eval_failures=allowed)])

    assert verdict.decision is Decision.DO_NOT_MERGE
    assert texts(verdict)[0] == "job packages cannot be evaluated any more: error: syntax error, unexpected '}'"


def test_a_job_that_neither_side_can_evaluate_proves_nothing() -> None:
    verdict = judged(jobs=[comparison(known=[fault("", "error: syntax error")])])

    assert verdict.decision is Decision.WAIT
    assert "no derivation changes" not in texts(verdict)


@pytest.mark.parametrize("kind", [FaultKind.OUT_OF_MEMORY, FaultKind.EVALUATOR_DIED])
def test_an_evaluator_that_dies_is_no_evidence_against_the_change(kind: FaultKind) -> None:
    fresh = judged(jobs=[comparison(new=[fault("a", "killed", kind), fault("", "killed", kind)])])
    known = judged(jobs=[comparison(unchanged=1, known=[fault("a", "killed", kind)])])
    allowed = judged(jobs=[comparison(unchanged=1, new=[fault("a", "killed", kind)], allow_eval_failures=True)])

    assert (fresh.decision, fresh.exit_status) == (Decision.WAIT, 3)
    assert (known.decision, known.exit_status) == (Decision.MERGE, 0)
    assert (allowed.decision, allowed.exit_status) == (Decision.MERGE, 0)
    assert allowed.attention


@pytest.mark.parametrize(
    "kind",
    [kind for kind in FaultKind if kind not in {FaultKind.OUT_OF_MEMORY, FaultKind.EVALUATOR_DIED, FaultKind.REFUSED}],
)
def test_every_other_new_error_is_the_change_s(kind: FaultKind) -> None:
    assert judged(jobs=[comparison(new=[fault("a", "error", kind)])]).exit_status == 1


@pytest.mark.parametrize("allowed", [False, True])
def test_what_was_refused_proves_nothing_and_is_waited_for_even_where_errors_are_allowed(*, allowed: bool) -> None:
    refused = fault("a", "error: cannot build: 'allow-import-from-derivation' is disabled", FaultKind.REFUSED)
    verdict = judged(jobs=[comparison(unchanged=1, new=[refused], allow_eval_failures=allowed)])

    assert (verdict.decision, verdict.exit_status, verdict.attention) == (Decision.WAIT, 4, False)
    assert "1 attribute needs import from derivation" in texts(verdict)[0]
    assert texts(verdict)[0].endswith("not allowed for people without write access: a")


def test_a_job_that_was_refused_as_a_whole_is_waited_for() -> None:
    whole = fault("", "error: access to path '/etc' is forbidden in restricted mode", FaultKind.REFUSED)
    verdict = judged(jobs=[comparison(new=[whole])])

    assert verdict.decision is Decision.WAIT
    assert "job packages" in texts(verdict)[0]


def test_what_is_refused_hides_nothing_that_is_proven() -> None:
    refused = fault("a", "refused", FaultKind.REFUSED)
    assert judged(jobs=[comparison(new=[refused, fault("b", "error: no")])]).decision is Decision.DO_NOT_MERGE


@pytest.mark.parametrize(("derivations", "attention"), [(500, False), (501, True)])
def test_a_wide_change_asks_for_attention(derivations: int, *, attention: bool) -> None:
    verdict = judged(outcome("a", Standing.STILL_SUCCEEDING), derivations=derivations)

    assert verdict.decision is Decision.MERGE
    assert verdict.attention is attention


def test_a_dropped_job_asks_for_attention() -> None:
    verdict = judged(jobs=[comparison(job="nightly", missing_on="head")])

    assert verdict.attention
    assert "head drops the job nightly" in texts(verdict)


def marked(before: PackageMeta | None, after: PackageMeta) -> AttributeChange:
    return change("a", None if before is None else side("a-1", meta=before), side("a-1", "1", after))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("unfree", "1 package now has an unfree licence: a"),
        ("insecure", "1 package now is marked insecure: a"),
        ("broken", "1 package now is marked broken: a"),
    ],
)
def test_new_marks_ask_for_attention(field: str, text: str) -> None:
    after = PackageMeta(unfree=field == "unfree", insecure=field == "insecure", broken=field == "broken")

    for fresh in (
        comparison([marked(MIT, after)]),
        comparison([marked(None, after)]),
        comparison(meta_only=[marked(MIT, after)]),
    ):
        verdict = judged(jobs=[fresh])
        assert verdict.attention
        assert text in texts(verdict)
    assert not judged(jobs=[comparison([marked(after, after)]), comparison([marked(after, MIT)])]).attention


def test_plural_marks() -> None:
    changes = [
        attrs.evolve(marked(MIT, PackageMeta(unfree=True, broken=True)), attr=change(name, None, None).attr)
        for name in "ab"
    ]

    found = texts(judged(jobs=[comparison(changes)]))

    assert "2 packages now have an unfree licence: a, b" in found
    assert "2 packages now are marked broken: a, b" in found


def test_names_in_reasons_cannot_fake_lines() -> None:
    (reason,) = texts(judged(outcome("a\n✓ merge\x1b[2J", Standing.NEWLY_FAILING)))

    assert reason == "1 package newly fails: a ✓ merge"


STANDINGS = st.lists(
    st.builds(outcome, st.sampled_from("abcdefgh"), st.sampled_from(Standing), st.sampled_from([None, *BuildState]))
)


@given(STANDINGS, st.booleans(), st.booleans(), st.lists(st.just("disk full"), max_size=1))
def test_green_needs_evidence(outcomes: list[Outcome], no_build: bool, interrupted: bool, faults: list[str]) -> None:  # noqa: FBT001
    verdict = judged(*outcomes, infrastructure=tuple(faults), no_build=no_build, interrupted=interrupted)
    standings = {each.standing for each in outcomes}
    missing = standings & {Standing.UNKNOWN, Standing.FAILING_BASE_UNKNOWN} or (
        no_build and standings - {Standing.REMOVED}
    )

    if Standing.NEWLY_FAILING in standings:
        assert verdict.decision is Decision.DO_NOT_MERGE
    elif missing or interrupted or faults:
        assert verdict.decision is Decision.WAIT
    else:
        assert verdict.decision is Decision.MERGE
    assert verdict.reasons
    order = [Decision.DO_NOT_MERGE, Decision.WAIT, Decision.MERGE]
    weights = [order.index(each.speaks_for) for each in verdict.reasons]
    assert weights == sorted(weights)
    assert verdict.reasons[0].speaks_for is verdict.decision

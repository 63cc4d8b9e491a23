"""What stands at a commit, by how far its review is."""

from __future__ import annotations

import attrs
import pytest

from ekaci_core.api import Check, CheckStatus, CommitSha, Conclusion, RepositoryId
from ekaci_core.model.change import JobComparison
from ekaci_core.model.ids import AttrPath
from ekaci_core.model.report import Report
from ekaci_core.model.verdict import Decision, Reason, Verdict
from ekaci_core.reporting import checks
from ekaci_core.reporting.check_results import JOBS_APART, concluded, evaluated

SUBJECT = checks.Subject(
    RepositoryId.parse("forge.example.org", "owner/packages"),
    CommitSha.parse("b" * 40),
    "review-7-1",
    began_at=100.0,
    now=160.0,
    url="https://ci.example.org/reviews/7",
)


def by_context(made: tuple[Check, ...]) -> dict[str, Check]:
    assert len({each.context for each in made}) == len(made), "a context stands once"
    return {each.context: each for each in made}


def never_passes(check: Check) -> bool:
    """Whether a required check of this kind keeps a change from being merged."""
    passing = (Conclusion.SUCCESS, Conclusion.NEUTRAL)
    return check.status is not CheckStatus.COMPLETED or check.conclusion not in passing


def test_the_first_check_is_the_verdict_and_lets_nothing_be_merged() -> None:
    (first,) = checks.queued(SUBJECT)
    assert first.context == "EkaCI: Verdict"
    assert first.status is CheckStatus.QUEUED
    assert first.external_id == "review-7-1/EkaCI: Verdict"
    assert first.details_url == SUBJECT.url
    assert first.completed_at is None


def test_who_may_not_write_waits_and_somebody_who_may_has_a_button() -> None:
    made = by_context(checks.waiting_for_approval(SUBJECT, "mallory"))
    assert made.keys() == {"EkaCI: Approval Required (User: @mallory)", "EkaCI: Verdict"}
    for check in made.values():
        assert never_passes(check)
        assert [button.identifier for button in check.buttons] == ["approve"]
        assert "@mallory" not in check.summary, "nobody is mentioned"


def test_buttons_keep_within_the_forges_limits() -> None:
    made = [*checks.waiting_for_approval(SUBJECT, "mallory"), *checks.at_fault(SUBJECT, ["x"], again=False)]
    for button in [button for check in made for button in check.buttons]:
        # https://docs.github.com/en/rest/checks/runs: label 20, description 40, identifier 20 characters
        assert len(button.label) <= 20
        assert len(button.description) <= 40
        assert len(button.identifier) <= 20


def test_an_approval_is_told_and_the_review_begins() -> None:
    made = by_context(checks.approved(SUBJECT, "mallory", "alice"))
    assert made["EkaCI: Approval Required (User: @mallory)"].conclusion is Conclusion.SUCCESS
    assert made["EkaCI: Verdict"].status is CheckStatus.QUEUED


@pytest.mark.parametrize("again", [True, False])
def test_a_fault_of_the_machine_never_passes(again: bool) -> None:  # noqa: FBT001 - both
    (check,) = checks.at_fault(SUBJECT, ["the disk is full"], again=again)
    assert never_passes(check)
    assert "the disk is full" in check.summary
    assert (check.status is CheckStatus.COMPLETED) is not again


def test_a_configuration_that_cannot_be_used_fails() -> None:
    made = by_context(checks.misconfigured(SUBJECT, "jobs.a.file: wanted a string", "correct it"))
    assert {each.conclusion for each in made.values()} == {Conclusion.FAILURE}
    assert "correct it" in made["EkaCI: Configure"].summary


def test_a_configuration_is_shown_with_its_warnings() -> None:
    (check,) = checks.configured(SUBJECT, ".ekaci/config.json", ["packages"], ["jobs.packages.fil: unknown key"])
    assert check.conclusion is Conclusion.SUCCESS
    assert "- packages" in check.summary
    assert "unknown key" in check.summary


@pytest.mark.parametrize(
    ("decision", "conclusion"),
    [
        (Decision.MERGE, Conclusion.SUCCESS),
        (Decision.DO_NOT_MERGE, Conclusion.FAILURE),
        (Decision.WAIT, Conclusion.ACTION_REQUIRED),
    ],
)
def test_the_verdicts_check(report: Report, decision: Decision, conclusion: Conclusion) -> None:
    verdict = Verdict(decision, attention=True, reasons=(Reason(decision, "because of <this>"),))
    made = by_context(concluded(SUBJECT, attrs.evolve(report, verdict=verdict)))
    check = made["EkaCI: Verdict"]
    assert check.conclusion is conclusion
    assert check.title.endswith("(needs attention): because of <this>")
    assert "<this>" not in check.summary
    assert [button.identifier for button in check.buttons] == ["rerun"]


def test_the_summary_is_the_report(report: Report) -> None:
    summary = by_context(concluded(SUBJECT, report))["EkaCI: Change Summary"]
    assert summary.summary.startswith("## ❌ Do not merge")
    assert len(summary.summary.encode()) <= 65_535


def test_only_what_fails_has_a_check_of_its_own_and_what_fails_newly_comes_first(report: Report) -> None:
    singles = [each for each in concluded(SUBJECT, report) if not each.context.startswith("EkaCI: ")]
    assert [each.context for each in singles] == [
        "greet-cli / Changed (packages)",
        "pythonPackages.greet / Changed (packages)",
        "sometimes / Changed (packages)",
        "old-thing / Changed (packages)",
    ]
    first, because, _, last = singles
    assert first.conclusion is Conclusion.FAILURE
    assert "nix-store --realise" in first.text
    assert "too few arguments" in first.text
    assert "greet-cli-2.0" in because.summary
    assert last.conclusion is Conclusion.TIMED_OUT
    assert "On base it fails as well" in last.summary


def test_no_more_checks_of_single_packages_than_are_allowed(report: Report) -> None:
    made = concluded(SUBJECT, report, most=2)
    assert sum(not each.context.startswith("EkaCI: ") for each in made) == 2
    assert by_context(made).keys() >= {"EkaCI: Verdict", "EkaCI: Change Summary"}


def test_evaluation_errors_stand_at_their_lines(report: Report) -> None:
    made = by_context(evaluated(SUBJECT, report.jobs))
    check = made["EkaCI: Evaluate Job (packages)"]
    assert check.conclusion is Conclusion.FAILURE
    (annotation,) = check.annotations
    assert (annotation.path, annotation.line) == ("pkgs/clock.nix", 3)
    assert made["EkaCI: Evaluate Job (gone)"].conclusion is Conclusion.SUCCESS
    assert "drops the job" in made["EkaCI: Evaluate Job (gone)"].summary
    allowed = made["EkaCI: Evaluate Job (extra|<job>)"]
    assert allowed.conclusion is Conclusion.SUCCESS, "its base allows evaluation errors"


def test_very_many_jobs_take_few_checks(report: Report) -> None:
    job: JobComparison = report.jobs[-1]
    many = [attrs.evolve(job, job=f"job{number}") for number in range(500)]
    made = by_context(evaluated(SUBJECT, many))
    assert len(made) == JOBS_APART
    last = made["EkaCI: Evaluate Job (others)"]
    assert last.conclusion is Conclusion.FAILURE
    assert len(last.summary.encode()) <= 65_535


def test_what_nobody_waits_for_is_closed_and_what_has_ended_stays(report: Report) -> None:
    running = checks.progress(SUBJECT, "Building", ["3 of 9"])
    waiting = checks.waiting_for_approval(SUBJECT, "mallory")[:1]
    done = checks.configured(SUBJECT, "x", [], [])
    closed = checks.ended(SUBJECT, [*running, *waiting, *done], "A newer commit is reviewed")
    assert {each.context for each in closed} == {running[0].context, waiting[0].context}
    assert {each.conclusion for each in closed} == {Conclusion.CANCELLED}
    assert all(each.completed_at == SUBJECT.now and not each.buttons for each in closed)
    assert concluded(SUBJECT, report)


def test_what_an_earlier_round_said_to_fail_is_taken_back_unless_it_fails_again(report: Report) -> None:
    earlier = attrs.evolve(SUBJECT, key="review-7-0")
    standing = [*checks.queued(earlier), *checks.misconfigured(earlier, "wrong", None), *concluded(earlier, report)]
    wanted = concluded(SUBJECT, report, most=2)
    back = checks.outdated(SUBJECT, standing, wanted)
    names = ["EkaCI: Configure", "sometimes / Changed (packages)", "old-thing / Changed (packages)"]
    assert [each.context for each in back] == names
    assert {each.conclusion for each in back} == {Conclusion.NEUTRAL}
    assert not checks.outdated(SUBJECT, back, wanted)
    assert not checks.outdated(earlier, standing, ()), "what this round said stands"


def test_annotations_go_with_one_write(report: Report) -> None:
    fault = next(each for job in report.jobs for each in job.new_faults if each.position)
    job = attrs.evolve(
        report.jobs[0], new_faults=tuple(attrs.evolve(fault, attr=AttrPath(f"a{n}")) for n in range(500))
    )
    (check,) = evaluated(SUBJECT, [job])
    assert len(check.annotations) == 50

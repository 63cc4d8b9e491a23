"""Two jobs that have an attribute of the same name, in sentences and in all formats."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import attrs
import pytest
from tests.unit.reporting.conftest import change, comparison, drv, fault, rich, side

from ekaci_core.changes import outcomes_of
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, Failure, Impact, JobComparison
from ekaci_core.model.report import Report
from ekaci_core.reporting import Findings, judge, render_json, render_junit, render_markdown, render_text

NO_IMPACT = Impact({}, {}, ())


def of_job(job: str, name: str | None = None, digit: str = "1") -> AttributeChange:
    name = name or f"{job}-2"
    return change("a", side(name, "0"), side(name, digit), job=job)


def reported(*changes: AttributeChange, jobs: tuple[JobComparison, ...] = ()) -> Report:
    """Report changes of jobs, each failing newly by itself."""
    jobs = jobs or tuple(comparison([each], job=each.job) for each in changes)
    base = {each.base.drv: Build(each.base.drv, BuildState.SUCCESS) for each in changes if each.base}
    head = {each.head.drv: Build(each.head.drv, BuildState.FAILURE) for each in changes if each.head}
    outcomes = outcomes_of(jobs, base | head)
    template = rich().failures[0]
    by_drv: dict[str, Failure] = {}
    for each in changes:
        if each.head:
            known = by_drv.get(each.head.drv, attrs.evolve(template, drv=each.head.drv, places=()))
            reason = f"reason of {each.head.name}"
            by_drv[each.head.drv] = attrs.evolve(known, places=(*known.places, each.place), reason=reason)
    return attrs.evolve(
        rich(),
        jobs=jobs,
        outcomes=outcomes,
        failures=tuple(by_drv.values()),
        impact=NO_IMPACT,
        infrastructure=(),
        verdict=judge(Findings(jobs, outcomes, NO_IMPACT)),
    )


def test_attributes_of_different_derivations_are_told_apart() -> None:
    report = reported(of_job("one"), of_job("two"))

    assert report.verdict.reasons[0].text == "2 packages newly fail: one:a, two:a"
    text, markdown = render_text(report), render_markdown(report)
    assert "one:a  one-2  reason of one-2" in text
    assert "two:a  two-2  reason of two-2" in text
    assert "breaks one:a" in text
    assert "| `two:a` | `two-2` | reason of two-2 |" in markdown
    assert "Newly failing (2)" in markdown


def test_each_job_has_its_own_failure_in_json_and_junit() -> None:
    report = reported(of_job("one"), of_job("two"))

    document = json.loads(render_json(report))
    assert [each["breaks"] for each in document["failures"]] == [
        [{"job": "one", "attr": "a"}],
        [{"job": "two", "attr": "a"}],
    ]
    assert [(each["job"], each["attr"]) for each in document["attributes"]] == [("one", "a"), ("two", "a")]
    for case in ET.fromstring(render_junit(report)).iter("testcase"):  # noqa: S314 - our own document
        job = case.get("classname")
        (failure,) = case
        assert failure.get("message") == f"newly failing: reason of {job}-2"
        assert f"{job}-2.drv" in (failure.text or "")


def test_the_same_derivations_are_one_package() -> None:
    report = reported(of_job("one", "same-2"), of_job("two", "same-2"))

    assert report.verdict.reasons[0].text == "1 package newly fails: a"
    text, markdown = render_text(report), render_markdown(report)
    assert text.count("a  same-2  reason") == 1
    assert "1 package rebuilt without a change of its own" in text
    assert "1 package rebuilt without a change of its own." in markdown
    assert "Newly failing (1)" in markdown
    assert len(json.loads(render_json(report))["attributes"]) == 2


def test_one_job_needs_no_name() -> None:
    report = reported(of_job("one"))

    assert report.verdict.reasons[0].text == "1 package newly fails: a"
    assert "one:a" not in render_text(report)


def test_errors_of_two_jobs_are_told_apart() -> None:
    jobs = tuple(comparison(job=job, unchanged=1, new=[fault("a", "error: no"), fault(job, "x")]) for job in ("p", "q"))

    report = reported(jobs=jobs)

    assert report.verdict.reasons[0].text == "4 new evaluation errors: p:a, p, q:a, q"
    for text in (render_text(report), render_markdown(report)):
        assert "p:a" in text.replace("&#58;", ":")
        assert "q:a" in text.replace("&#58;", ":")


def test_packages_are_counted_and_not_their_rows() -> None:
    bumped = change("a", side("a-1"), side("a-2", "1", attrs.evolve(side("a-1").meta, licenses=("GPL-3.0-only",))))

    report = reported(bumped)

    assert "Packages changed 1\n" in render_text(report)
    assert "### Packages changed (1)\n" in render_markdown(report)
    assert render_markdown(report).count("| `a` |") == 3  # newly failing, bump, licence


@pytest.mark.parametrize(
    ("head_fault", "row"), [(False, "  removed  hog"), (True, "  removed  hog  can no longer be evaluated")]
)
def test_what_had_no_version_is_just_removed(*, head_fault: bool, row: str) -> None:
    before = attrs.evolve(side("hog-1"), version=None, drv=drv("hog"))

    text = render_text(reported(change("hog", before, None, head_fault=head_fault)))

    assert row in text.splitlines()

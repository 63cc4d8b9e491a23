"""One report in every format, as it was approved: ``UPDATE_REPORTS=1 pytest`` writes it anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.reporting.conftest import LINUX, fault, rich

from ekaci_core.model.build import BuildState
from ekaci_core.model.change import Standing
from ekaci_core.model.evaluation import FaultKind
from ekaci_core.model.report import Report
from ekaci_core.model.repository import ImpactSettings, SummarySettings
from ekaci_core.model.verdict import Decision, Reason, Verdict
from ekaci_core.reporting import Tone, render_json, render_junit, render_markdown, render_text

TESTS = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((TESTS.parent / "docs/reference/schemas/report.schema.json").read_text())

FORMATS: dict[str, Callable[[Report], str]] = {
    "report.80.txt": lambda report: render_text(report, width=80),
    "report.txt": render_text,
    "report.md": render_markdown,
    "report.json": render_json,
    "report.xml": render_junit,
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_report_is_as_approved(report: Report, name: str) -> None:
    approved = TESTS / "data/reports" / name
    text = FORMATS[name](report)
    if os.environ.get("UPDATE_REPORTS"):
        approved.write_text(text)

    assert text == approved.read_text()


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Walk all objects of a JSON document."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(each)


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Forbid keys that the schema does not name, so that it cannot fall behind."""
    copy: dict[str, Any] = json.loads(json.dumps(schema))
    for each in objects(copy):
        if "properties" in each and each.get("type") == "object":
            each.setdefault("additionalProperties", False)
    return copy


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_json_keeps_its_schema_and_the_schema_names_every_key(report: Report) -> None:
    jsonschema.Draft202012Validator(closed(SCHEMA)).validate(json.loads(render_json(report)))


def test_the_schema_names_every_state_standing_and_kind() -> None:
    definitions = SCHEMA["$defs"]

    assert set(definitions["state"]["enum"]) == {state.label for state in BuildState}
    assert set(definitions["standing"]["enum"]) == {standing.value for standing in Standing}
    kinds = definitions["evaluation_error"]["properties"]["kind"]["enum"]
    assert set(kinds) == {kind.value for kind in FaultKind}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), "maybe"),
        (("attributes", 0, "base_drv"), "/nix/store/x.drv"),
        (("attributes", 0, "head_drv"), None),
        (("attributes", 0, "standing"), "fine"),
        (("failures", 0, "log_tail", 0), "\x1b[31mred"),
        (("counts", "added"), -1),
    ],
)
def test_the_schema_refuses_what_is_wrong(report: Report, path: tuple[str | int, ...], value: object) -> None:
    document = json.loads(render_json(report))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(document)


def test_json_counts_add_up(report: Report) -> None:
    document = json.loads(render_json(report))
    counts = document["counts"]

    for key in ("added", "removed", "changed"):
        assert counts[key] == sum(each["change"] == key for each in document["attributes"])
    assert counts["new_derivations"] == sum(document["new_derivations"].values())
    statuses = [each["status"] for each in document["evaluation_errors"]]
    assert counts["new_errors"] == statuses.count("new")
    assert counts["fixed_errors"] == statuses.count("fixed")
    assert counts["errors_head"] == statuses.count("new") + statuses.count("known")
    assert counts["errors_base"] == statuses.count("fixed") + statuses.count("known")
    assert sum(document["standings"].values()) == len(document["attributes"])


def test_json_is_ascii_by_lines_and_names_are_exact(report: Report) -> None:
    text = render_json(report)

    assert text.isascii()
    assert '"attr": "\\"| <b>@all</b> `x`\\""' in next(line for line in text.splitlines() if "hostile-1.drv" in line)


def test_no_format_lets_control_characters_through(report: Report) -> None:
    for render in FORMATS.values():
        assert not set(render(report)) & {chr(code) for code in (*range(32), *range(0x7F, 0xA0)) if code != 0x0A}


def test_only_the_verdict_is_repeated_at_the_end(report: Report) -> None:
    lines = render_text(report, width=80).splitlines()

    assert lines[0] == "✗ DO NOT MERGE   ! needs attention"
    assert lines[-1].startswith("✗ do not merge: 2 packages newly fail: greet-cli, ")
    assert lines[-1].endswith("(needs attention)")
    assert len(lines[-1]) <= 80


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_text_keeps_to_the_width_but_for_commands_and_paths(report: Report, width: int) -> None:
    for line in render_text(report, width=width).splitlines():
        assert len(line) <= width or "nix-store --realise" in line or "whole log" in line


def test_a_style_changes_nothing_but_tones(report: Report) -> None:
    marks = {tone: chr(0xE000 + at) for at, tone in enumerate(Tone)}
    end = chr(0xE000 + len(marks))

    styled = render_text(report, width=80, style=lambda text, tone: f"{marks[tone]}{text}{end}")

    bare = styled.translate(dict.fromkeys(map(ord, (*marks.values(), end))))
    assert bare == render_text(report, width=80)
    assert f"{marks[Tone.BAD]}✗ DO NOT MERGE{end}" in styled


def test_reproduction_commands_are_never_folded(report: Report) -> None:
    for width in (40, 80):
        text = render_text(report, width=width)
        assert all(failure.reproduce in text for failure in report.failures)
    assert all(failure.reproduce in render_markdown(report) for failure in report.failures)


def quiet(report: Report, **changes: Any) -> Report:
    """Leave nothing but an empty report and these."""
    impact = attrs.evolve(report.impact, new_derivations={}, rebuilt_packages={}, top=())
    bare = attrs.evolve(
        report, jobs=(), outcomes=(), failures=(), impact=impact, notes=(), infrastructure=(), timings={}
    )
    verdict = Verdict(Decision.MERGE, attention=False, reasons=(Reason(Decision.MERGE, "no derivation changes"),))
    return attrs.evolve(bare, **({"verdict": verdict} | changes))


def test_an_empty_report_has_no_empty_sections(report: Report) -> None:
    text = render_text(quiet(report), width=80)

    sides = (
        "repository  greetings\nbase        aaaaaaaaaaaa  merge base with main\n"
        "head        bbbbbbbbbbbb  HEAD, with uncommitted changes\nevaluator   nix 2.8.0"
    )
    assert text.split("\n\n") == [
        "✓ MERGE\n  • no derivation changes",
        sides,
        "7 derivations built",
        "✓ merge: no derivation changes\n",
    ]
    assert "###" not in render_markdown(quiet(report))


def test_sections_can_be_switched_off(report: Report) -> None:
    without = attrs.evolve(
        report, summary=SummarySettings(enabled=False), impact_settings=ImpactSettings(enabled=False)
    )

    for render in (render_text, render_markdown):
        assert "Packages changed" not in render(without)
        assert "blast radius" not in render(without)
    assert json.loads(render_json(without)) == json.loads(render_json(report))


def test_rebuilds_are_listed_where_the_repository_wants_them(report: Report) -> None:
    listed = attrs.evolve(report, summary=SummarySettings(include_rebuild_only=True))

    assert "rebuilt without a change of their own" in render_text(report)
    assert "rebuilt without a change of their own" not in render_text(listed)
    assert "  rebuild      greet-cli" in render_text(listed)
    assert "| rebuild | `greet-cli` |" in render_markdown(listed)


def test_long_lists_are_cut_and_counted(report: Report) -> None:
    short = attrs.evolve(report, summary=SummarySettings(max_packages_listed=1))

    for render in (render_text, render_markdown):
        assert "… and 9 more" in render(short)
        assert "… and 1 more" in render(short)


def junit(report: Report) -> ET.Element:
    return ET.fromstring(render_junit(report))  # noqa: S314 - our own document


def test_junit_has_a_case_for_each_attribute_and_error(report: Report) -> None:
    names = [case.get("name") for case in junit(report).iter("testcase")]
    attributes = [o.change.attr for o in report.outcomes if o.standing is not Standing.REMOVED]
    errors = [each for job in report.jobs for each in job.head_faults]

    assert len(names) == len(attributes) + len(errors) + len(report.infrastructure)
    assert set(attributes) <= set(names)


def test_junit_totals_are_those_of_its_cases(report: Report) -> None:
    root = junit(report)

    for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert root.get(key) == str(len(list(root.iter(tag)))) == str(sum(int(s.get(key, "")) for s in root))


@pytest.mark.parametrize(
    ("decision", "tag"), [(Decision.MERGE, None), (Decision.WAIT, "error"), (Decision.DO_NOT_MERGE, "failure")]
)
def test_junit_is_never_greener_than_the_verdict(report: Report, decision: Decision, tag: str | None) -> None:
    verdict = Verdict(decision, attention=False, reasons=(Reason(decision, "because"),))
    root = junit(quiet(report, verdict=verdict))

    assert [each.tag for case in root.iter("testcase") for each in case] == ([tag] if tag else [])


@pytest.mark.parametrize(
    ("new", "allowed", "kind", "attr", "tag"),
    [
        (True, False, FaultKind.ERROR, "a", "failure"),
        (True, True, FaultKind.ERROR, "a", "skipped"),
        (False, False, FaultKind.ERROR, "a", "skipped"),
        (True, False, FaultKind.OUT_OF_MEMORY, "a", "error"),
        (True, False, FaultKind.REFUSED, "a", "error"),
        (True, True, FaultKind.REFUSED, "a", "error"),
        (True, False, FaultKind.REFUSED, "", "error"),
        (True, True, FaultKind.ERROR, "", "failure"),
        (True, True, FaultKind.EVALUATOR_DIED, "", "error"),
        (False, False, FaultKind.ERROR, "", "error"),
    ],
)
def test_junit_of_evaluation_errors(
    *, report: Report, new: bool, allowed: bool, kind: FaultKind, attr: str, tag: str
) -> None:
    error = fault(attr, "error: no", kind)
    job = attrs.evolve(
        report.jobs[0],
        changes=(),
        head_faults=(error,),
        new_faults=(error,) if new else (),
        allow_eval_failures=allowed,
    )

    (case,) = [case for case in junit(quiet(report, jobs=(job,))).iter("testcase") if case.get("classname") == job.job]

    assert [each.tag for each in case] == [tag]


@given(st.text(), st.text())
def test_junit_and_json_are_well_formed_whatever_names_and_logs_hold(name: str, log: str) -> None:
    report = rich()
    failure = attrs.evolve(report.failures[0], log_tail=(log,), reason=name)
    error = fault(name or "x", log)
    job = attrs.evolve(report.jobs[0], job=name or "j", head_faults=(error,), new_faults=(error,))
    hostile = attrs.evolve(report, failures=(failure,), jobs=(job,), repository=name, notes=(log,))

    assert junit(hostile).tag == "testsuites"
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(render_json(hostile)))
    assert LINUX in render_text(hostile, width=80)

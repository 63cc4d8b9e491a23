from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.reporting.conftest import change, comparison, failures, side

from ekaci_core.model.change import AttributeChange, Failure, Place
from ekaci_core.model.ids import AttrPath
from ekaci_core.model.package import PackageMeta
from ekaci_core.model.report import Report
from ekaci_core.reporting import render_markdown
from ekaci_core.reporting.markdown_budget import HARD_LIMIT, SOFT_LIMIT, STEPS, Shown, cut, fit


def test_what_is_short_is_shown_whole() -> None:
    assert fit(lambda shown: f"{shown}") == f"{Shown()}"


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_the_first_step_that_fits_is_taken(step: int) -> None:
    tried: list[Shown] = []

    def render(shown: Shown) -> str:
        tried.append(shown)
        return "x" * (SOFT_LIMIT if shown is STEPS[step] else SOFT_LIMIT + 1)

    assert len(fit(render)) == SOFT_LIMIT
    assert tried == list(STEPS[: step + 1])


def test_each_step_leaves_out_what_the_one_before_does() -> None:
    size = [(each.maintainers, each.licences, each.rebuild_only, each.table, each.log_lines) for each in STEPS]
    assert size == sorted(size, reverse=True)
    assert STEPS[0].left_out == ()
    assert all(each.left_out for each in STEPS[1:])


@given(st.text(), st.integers(20, 60))
def test_cut_keeps_characters_whole(text: str, limit: int) -> None:
    short = cut(text, limit)

    assert len(short.encode()) <= limit
    assert short == text or text.startswith(short.removesuffix("\n\n… cut here\n"))


def meta(at: int) -> PackageMeta:
    return PackageMeta(licenses=(f"licence-{at}-" + "l" * 80,), maintainers=(f"maintainer-{at}-" + "m" * 80,))


def many(number: int) -> list[AttributeChange]:
    return [
        change(f"package{at:05}", side("p-1", meta=meta(at)), side("p-2", "1", meta=meta(-at - 1)))
        for at in range(number)
    ]


def with_changes(report: Report, number: int, log: Failure) -> Report:
    return attrs.evolve(
        report,
        jobs=(comparison(many(number)),),
        failures=tuple(attrs.evolve(log, places=(Place("packages", AttrPath(f"f{at}")),)) for at in range(number)),
        summary=attrs.evolve(report.summary, max_packages_listed=number * 4, include_rebuild_only=True),
    )


@pytest.mark.parametrize(
    ("number", "says", "lacks"),
    [
        (20, "| maintainers |", "Left out"),
        (130, "| licence |", "| maintainers |"),
        (250, "| bump |", "| licence |"),
        (2000, "2,000 bump", "| bump |"),
    ],
)
def test_rows_go_in_the_documented_order(report: Report, number: int, says: str, lacks: str) -> None:
    text = render_markdown(attrs.evolve(with_changes(report, number, failures()[1]), failures=()))

    assert says in text
    assert lacks not in text
    assert len(text.encode()) <= SOFT_LIMIT


@pytest.mark.parametrize(("number", "log_lines", "blocks"), [(30, 30, 30), (50, 10, 50), (120, 0, 120), (2000, 0, 20)])
def test_logs_go_before_failures(report: Report, number: int, log_lines: int, blocks: int) -> None:
    log = attrs.evolve(failures()[1], log_tail=tuple(f"line {at} " + "é" * 20 for at in range(30)))
    bare = attrs.evolve(with_changes(report, number, log), jobs=(), outcomes=())

    text = render_markdown(bare)

    shown = text.count("<details><summary><code>sometimes-3</code>")
    assert shown == blocks
    assert text.count("\nline ") == blocks * log_lines
    assert len(text.encode()) <= SOFT_LIMIT


def test_whatever_happens_the_hard_limit_holds(report: Report) -> None:
    text = render_markdown(attrs.evolve(report, notes=("ü" * 400,) * 200))

    assert HARD_LIMIT - 4 <= len(text.encode()) <= HARD_LIMIT
    assert text.endswith("… cut here\n")

"""The report for a terminal: the verdict at the top and again at the end, what matters most first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ekaci_core.model.change import Failure, Outcome, Standing
from ekaci_core.model.evaluation import FaultKind
from ekaci_core.model.report import Report
from ekaci_core.model.repository import Revision
from ekaci_core.model.verdict import Decision, Reason, Verdict
from ekaci_core.reporting.clean import clean, clean_lines
from ekaci_core.reporting.digest import Digest, JobFault, digest
from ekaci_core.reporting.explain import why
from ekaci_core.reporting.package_rows import RowKind, package_rows, packages_in
from ekaci_core.reporting.text_page import SAID, Page, Style, Tone, Toned, plain, verdict_line
from ekaci_core.reporting.wording import FLAKY, counted, duration, few, rebuilt_only

_MESSAGE_LINES: Final = 8
_BRIEF: Final = 10
"""Rows of a list that only informs."""

_ROW_TONES: Final = {RowKind.ADDED: Tone.GOOD, RowKind.REMOVED: Tone.BAD, RowKind.LICENCE: Tone.ATTENTION}


def render_text(report: Report, *, width: int | None = None, style: Style = plain) -> str:
    """Render for people.

    Args:
        report: what to show.
        width: columns of the terminal; None for a file or pipe, where no line is folded or cut.
        style: puts a tone to a text, for example by colours; it must not change what the text takes in columns.
    """
    page = Page(width, style)
    found = digest(report)
    blocks = [
        _verdict(report.verdict, page),
        _sides(report, page),
        *_standings(report, found, page),
        _flaky(report, found, page),
        _packages(report, found, page),
        _rebuilds(report, page),
        _errors(found, page),
        *_failures(report.failures, found, page),
        _sentences("Infrastructure", report.infrastructure, page, Tone.WAITING),
        _sentences("Notes", report.notes, page),
        _timings(report, page),
        [verdict_line(report.verdict, width=width, style=style)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _verdict(verdict: Verdict, page: Page) -> list[str]:
    sign, words, tone = SAID[verdict.decision]
    title = page.style(f"{sign} {words.upper()}", tone)
    if verdict.attention:
        title += "   " + page.style("! needs attention", Tone.ATTENTION)
    lines = [title]
    for reason in verdict.reasons:
        lines += page.wrapped(clean(reason.text), indent=f"  {_mark(reason)} ")
    return lines


def _mark(reason: Reason) -> str:
    if reason.speaks_for is Decision.MERGE:
        return "!" if reason.attention else "•"
    return SAID[reason.speaks_for][0]


def _sides(report: Report, page: Page) -> list[str]:
    rows = [
        ("repository", clean(report.repository)),
        ("base", _revision(report.base)),
        ("head", _revision(report.head)),
        ("evaluator", clean(report.evaluator)),
    ]
    return page.rows([(Toned(label, Tone.DIM), text) for label, text in rows], indent=0)


def _revision(revision: Revision) -> str:
    dirty = ", with uncommitted changes" if revision.dirty else ""
    return f"{revision.commit.short}  {clean(revision.label)}{dirty}"


_STANDINGS: Final = (
    (Standing.NEWLY_FAILING, "Newly failing", Tone.BAD),
    (Standing.FAILING_BASE_UNKNOWN, "Failing, base unknown", Tone.WAITING),
    (Standing.STILL_FAILING, "Still failing", Tone.ATTENTION),
    (Standing.NEWLY_SUCCEEDING, "Newly succeeding", Tone.GOOD),
)
_BRIEF_STANDINGS: Final = (
    (Standing.UNKNOWN, "Without a result"),
    (Standing.STILL_SUCCEEDING, "Still succeeding"),
    (Standing.SUCCEEDING_BASE_UNKNOWN, "Succeeding, base unknown"),
    (Standing.ADDED_SUCCEEDING, "Added, succeeding"),
)


def _standings(report: Report, found: Digest, page: Page) -> Iterator[list[str]]:
    most = report.summary.max_packages_listed
    for standing, title, tone in _STANDINGS:
        outcomes = found.standing[standing]
        if outcomes:
            rows = [_standing_row(outcome, found) for outcome in outcomes[:most]]
            yield [page.heading(title, len(outcomes), tone), *page.rows(rows), *_more(len(outcomes) - most, page)]
    brief = [(title, found.standing[standing]) for standing, title in _BRIEF_STANDINGS if found.standing[standing]]
    yield page.rows(
        [
            (
                Toned(title, Tone.HEADING),
                f"{len(each):,}",
                Toned(few(found.names.labels(o.change.place for o in each), _BRIEF), Tone.DIM),
            )
            for title, each in brief
        ],
        indent=0,
    )


def _standing_row(outcome: Outcome, found: Digest) -> tuple[str, ...]:
    change = outcome.change
    name = change.head.name if change.head else ""
    return (clean(found.names.label(change.place)), clean(name), why(outcome, found))


def _flaky(report: Report, found: Digest, page: Page) -> list[str]:
    if not found.flaky:
        return []
    most = report.summary.max_packages_listed
    rows = [
        (clean(found.names.label(each.change.place)), clean(each.change.head.name if each.change.head else ""), FLAKY)
        for each in found.flaky[:most]
    ]
    title = page.heading("Flaky", len(found.flaky), Tone.ATTENTION)
    return [title, *page.rows(rows), *_more(len(found.flaky) - most, page)]


def _more(number: int, page: Page, of: str = "") -> list[str]:
    return [page.style(f"  … and {number:,} more {of}".rstrip(), Tone.DIM)] if number > 0 else []


def _packages(report: Report, found: Digest, page: Page) -> list[str]:
    if not report.summary.enabled:
        return []
    rows = package_rows(found, rebuild_only=report.summary.include_rebuild_only)
    most = report.summary.max_packages_listed
    lines = [page.heading("Packages changed", packages_in(rows))] if rows else []
    lines += page.rows(
        (Toned(row.kind.value, _ROW_TONES.get(row.kind, Tone.PLAIN)), row.attr, row.change) for row in rows[:most]
    )
    lines += _more(len(rows) - most, page, "changes")
    if found.rebuild_only and not report.summary.include_rebuild_only:
        lead = "  and " if rows else ""
        lines.append(lead + rebuilt_only(len(found.rebuild_only)))
    return lines


def _rebuilds(report: Report, page: Page) -> list[str]:
    impact = report.impact
    if not report.impact_settings.enabled or not (impact.new_derivations or impact.rebuilt_packages):
        return []
    systems = sorted({*impact.new_derivations, *impact.rebuilt_packages})
    lines = [
        page.heading("Rebuilds"),
        *page.rows(
            (
                system,
                counted(impact.new_derivations.get(system, 0), "new derivation"),
                counted(impact.rebuilt_packages.get(system, 0), "package") + " added or changed",
            )
            for system in systems
        ),
    ]
    if impact.widest:
        lines += page.wrapped("top blast radius (dependents that rebuild because of it)", indent="  ")
        widest = max(len(f"{each.dependents:,}") for each in impact.widest)
        lines += page.rows(
            [
                (f"{each.dependents:>{widest},}", clean(each.name), Toned(few(each.attrs, 3), Tone.DIM))
                for each in impact.widest
            ],
            indent=4,
        )
    return lines


def _errors(found: Digest, page: Page) -> list[str]:
    total = len(found.new_errors) + len(found.known_errors)
    if not total and not found.fixed_errors:
        return []
    lines = [page.heading("Evaluation errors", total)]
    for title, errors, tone, most in (
        ("new on head", found.new_errors, Tone.BAD, 3 * _BRIEF),
        ("on base too", found.known_errors, Tone.DIM, 0),
        ("gone on head", found.fixed_errors, Tone.GOOD, 0),
    ):
        if not errors:
            continue
        listed = few([each.subject for each in errors], _BRIEF) if not most else ""
        label = f"  {page.style(title, tone)} {len(errors):,}"
        lines += [label] if most else page.wrapped(f"{title} {len(errors):,}  {listed}", indent="  ", hanging="    ")
        for each in errors[:most]:
            lines += _error(each, page)
        lines += _more(len(errors) - most, page) if most else []
    return lines


def _error(each: JobFault, page: Page) -> list[str]:
    message = [line for line in clean_lines(each.fault.message) if line] or ["no message"]
    where = f" at {clean(each.fault.position)}" if each.fault.position else ""
    kind = "" if each.fault.kind is FaultKind.ERROR else f" ({each.fault.kind.value.replace('_', ' ')})"
    return [
        f"    {clean(each.subject)}{page.toned(kind + where, Tone.DIM)}",
        *page.quoted(message[:_MESSAGE_LINES], indent=6),
    ]


def _failures(failures: Sequence[Failure], found: Digest, page: Page) -> Iterator[list[str]]:
    for at, failure in enumerate(failures):
        title = [page.heading("Failures", len(failures))] if at == 0 else []
        known = page.style("  on base too", Tone.DIM) if failure.on_base_too else ""
        name = page.style(clean(failure.drv.name), Tone.ATTENTION if failure.on_base_too else Tone.BAD)
        yield [
            *title,
            f"  {name}  {failure.state.label}{known}",
            *page.wrapped(clean(failure.reason), indent="    "),
            *page.wrapped(f"breaks {few(found.names.labels(failure.places), _BRIEF)}", indent="    "),
            *page.quoted([clean(line) for line in failure.log_tail] or ["(no log)"]),
            f"    {page.style('reproduce', Tone.DIM)}  {failure.reproduce}",
            *_whole_log(failure, page),
        ]


def _whole_log(failure: Failure, page: Page) -> list[str]:
    if not failure.log_path:
        return []
    title = page.style("whole log", Tone.DIM)
    return [f"    {title}  ekaci logs {failure.drv.hash_part}", f"               {clean(failure.log_path)}"]


def _sentences(title: str, sentences: Sequence[str], page: Page, tone: Tone = Tone.HEADING) -> list[str]:
    if not sentences:
        return []
    lines = [page.heading(title, tone=tone)]
    for sentence in sentences:
        lines += page.wrapped(clean(sentence), indent="  • ")
    return lines


def _timings(report: Report, page: Page) -> list[str]:
    parts = [f"{stage} {duration(seconds)}" for stage, seconds in report.timings.items()]
    parts.append(f"{counted(report.built, 'derivation')} built")
    return [page.style(line, Tone.DIM) for line in page.wrapped(" · ".join(parts), indent="")]

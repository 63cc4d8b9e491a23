"""The report in GitHub flavoured Markdown, for checks and comments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from ekaci_core.model.change import Failure, Outcome, Standing
from ekaci_core.model.evaluation import FaultKind
from ekaci_core.model.report import Report
from ekaci_core.model.verdict import Decision, Reason, Verdict
from ekaci_core.reporting.clean import clean_lines
from ekaci_core.reporting.digest import Digest, JobFault, digest
from ekaci_core.reporting.explain import why
from ekaci_core.reporting.markdown_budget import Shown, fit
from ekaci_core.reporting.markdown_escape import code, escape, fenced, html_code
from ekaci_core.reporting.package_rows import PackageRow, RowKind, package_rows, packages_in
from ekaci_core.reporting.wording import FLAKY, counted, duration, rebuilt_only

_SIGNS: Final = {Decision.MERGE: "✅", Decision.WAIT: "⏳", Decision.DO_NOT_MERGE: "❌"}
_TITLES: Final = {Decision.MERGE: "Merge", Decision.WAIT: "Wait", Decision.DO_NOT_MERGE: "Do not merge"}
_STANDINGS: Final = (
    (Standing.NEWLY_FAILING, "Newly failing"),
    (Standing.FAILING_BASE_UNKNOWN, "Failing, base unknown"),
    (Standing.STILL_FAILING, "Still failing"),
    (Standing.NEWLY_SUCCEEDING, "Newly succeeding"),
)
_COUNTED_STANDINGS: Final = (
    (Standing.UNKNOWN, "without a result"),
    (Standing.STILL_SUCCEEDING, "still succeeding"),
    (Standing.SUCCEEDING_BASE_UNKNOWN, "succeeding, base unknown"),
    (Standing.ADDED_SUCCEEDING, "added, succeeding"),
)
_FEW_ATTRS: Final = 3
_ERRORS_LISTED: Final = 30
_MESSAGE_LINES: Final = 8


def render_markdown(report: Report) -> str:
    """Render for a forge, at most 65,535 bytes long; what does not fit is left out and named at the end."""
    return fit(partial(_render, report, digest(report)))


def _render(report: Report, found: Digest, shown: Shown) -> str:
    blocks = [
        _verdict(report.verdict),
        _sides(report),
        *(_standing(title, found.standing[each], report, found, shown) for each, title in _STANDINGS),
        _counted_standings(found),
        _flaky(report, found, shown),
        _packages(report, found, shown),
        _rebuilds(report),
        *_errors(found, shown),
        *_failures(report.failures, found, shown),
        _sentences("Infrastructure", report.infrastructure),
        _sentences("Notes", report.notes),
        _footer(report, shown),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _verdict(verdict: Verdict) -> list[str]:
    attention = " (needs attention)" if verdict.attention else ""
    title = f"## {_SIGNS[verdict.decision]} {_TITLES[verdict.decision]}{attention}"
    return [title, "", *(f"- {_mark(reason)}{escape(reason.text)}" for reason in verdict.reasons)]


def _mark(reason: Reason) -> str:
    if reason.speaks_for is Decision.MERGE:
        return "⚠️ " if reason.attention else ""
    return f"{_SIGNS[reason.speaks_for]} "


def _sides(report: Report) -> list[str]:
    dirty = " with uncommitted changes" if report.head.dirty else ""
    head = f"{code(report.head.commit.short)} ({escape(report.head.label)}){dirty}"
    base = f"{code(report.base.commit.short)} ({escape(report.base.label)})"
    return [f"{head} ← {base}, evaluated by {escape(report.evaluator)}"]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def _standing(title: str, outcomes: Sequence[Outcome], report: Report, found: Digest, shown: Shown) -> list[str]:
    if not outcomes:
        return []
    most = min(report.summary.max_packages_listed, shown.rows or len(outcomes))
    rows = [
        [
            code(found.names.label(each.change.place)),
            code(each.change.head.name) if each.change.head else "",
            escape(why(each, found)),
        ]
        for each in outcomes[:most]
    ]
    columns = 3 if any(row[-1] for row in rows) else 2
    table = _table(("Package", "Derivation", "Why")[:columns], [row[:columns] for row in rows])
    return [f"### {title} ({len(outcomes):,})", "", *table, *_more(len(outcomes) - most)]


def _flaky(report: Report, found: Digest, shown: Shown) -> list[str]:
    if not found.flaky:
        return []
    most = min(report.summary.max_packages_listed, shown.rows or len(found.flaky))
    rows = [
        (code(found.names.label(each.change.place)), code(each.change.head.name) if each.change.head else "", FLAKY)
        for each in found.flaky[:most]
    ]
    table = _table(("Package", "Derivation", "Why"), rows)
    return [f"### Flaky ({len(found.flaky):,})", "", *table, *_more(len(found.flaky) - most)]


def _more(number: int, of: str = "") -> list[str]:
    return ["", f"… and {number:,} more{of}"] if number > 0 else []


def _counted_standings(found: Digest) -> list[str]:
    parts = [f"**{len(found.standing[each]):,}** {words}" for each, words in _COUNTED_STANDINGS if found.standing[each]]
    return [", ".join(parts)] if parts else []


def _packages(report: Report, found: Digest, shown: Shown) -> list[str]:
    if not report.summary.enabled:
        return []
    dropped = {
        RowKind.MAINTAINERS: not shown.maintainers,
        RowKind.LICENCE: not shown.licences,
        RowKind.REBUILD: not shown.rebuild_only,
    }
    every = package_rows(found, rebuild_only=report.summary.include_rebuild_only)
    rows = [row for row in every if not dropped.get(row.kind)]
    title = [f"### Packages changed ({packages_in(every):,})", ""] if every else []
    body: list[str] = []
    if rows and not shown.table:
        body = [_row_counts(rows)]
    elif rows:
        most = report.summary.max_packages_listed
        cells = [(row.kind.value, code(row.attr), escape(row.change)) for row in rows[:most]]
        body = [*_table(("Change", "Package", "What"), cells), *_more(len(rows) - most, " changes")]
    if found.rebuild_only and shown.rebuild_only and not report.summary.include_rebuild_only:
        body += [*([""] if body else []), f"{rebuilt_only(len(found.rebuild_only))}."]
    return [*title, *body] if body else []


def _row_counts(rows: Iterable[PackageRow]) -> str:
    counts = Counter(row.kind for row in rows)
    return ", ".join(f"{counts[kind]:,} {kind.value}" for kind in RowKind if counts[kind])


def _rebuilds(report: Report) -> list[str]:
    impact = report.impact
    if not report.impact_settings.enabled or not (impact.new_derivations or impact.rebuilt_packages):
        return []
    systems = sorted({*impact.new_derivations, *impact.rebuilt_packages})
    lines = [
        "### Rebuild impact",
        "",
        *_table(
            ("System", "New derivations", "Packages added or changed"),
            [
                (
                    code(each),
                    f"{impact.new_derivations.get(each, 0):,}",
                    f"{impact.rebuilt_packages.get(each, 0):,}",
                )
                for each in systems
            ],
        ),
    ]
    if impact.widest:
        rows = [(f"{each.dependents:,}", code(each.name), _codes(each.attrs)) for each in impact.widest]
        lines += ["", "Top blast radius:", "", *_table(("Dependents", "Derivation", "Attributes"), rows)]
    return lines


def _codes(names: Sequence[str]) -> str:
    rest = len(names) - _FEW_ATTRS
    return ", ".join(map(code, names[:_FEW_ATTRS])) + (f" and {rest:,} more" if rest > 0 else "")


def _errors(found: Digest, shown: Shown) -> list[list[str]]:
    if not (found.new_errors or found.known_errors or found.fixed_errors):
        return []
    counts = [
        f"**{len(errors):,}** {words}"
        for errors, words in (
            (found.new_errors, "new on head"),
            (found.known_errors, "on base too"),
            (found.fixed_errors, "gone on head"),
        )
        if errors
    ]
    most = min(_ERRORS_LISTED, shown.rows or _ERRORS_LISTED)
    blocks = [["### Evaluation errors", "", ", ".join(counts)], *map(_error, found.new_errors[:most])]
    return [*blocks, _more(len(found.new_errors) - most)[1:]]


def _error(each: JobFault) -> list[str]:
    where = f" at {html_code(each.fault.position)}" if each.fault.position else ""
    kind = "" if each.fault.kind is FaultKind.ERROR else f": {each.fault.kind.value.replace('_', ' ')}"
    message = [line for line in clean_lines(each.fault.message) if line] or ["no message"]
    return _details(f"{html_code(each.subject)}{kind}{where}", fenced(message[:_MESSAGE_LINES]))


def _details(summary: str, body: Sequence[str]) -> list[str]:
    return [f"<details><summary>{summary}</summary>", "", *body, "", "</details>"]


def _failures(failures: Sequence[Failure], found: Digest, shown: Shown) -> list[list[str]]:
    most = len(failures) if shown.failures is None else shown.failures
    blocks = [_failure(each, found, shown) for each in failures[:most]]
    title = [[f"### Failures ({len(failures):,})"]] if failures else []
    return [*title, *blocks, _more(len(failures) - most)[1:]]


def _failure(failure: Failure, found: Digest, shown: Shown) -> list[str]:
    known = ", on base too" if failure.on_base_too else ""
    body = [
        f"{escape(failure.reason)}; breaks {_codes(found.names.labels(failure.places))}",
        "",
        *fenced([failure.reproduce]),
    ]
    tail = failure.log_tail[-shown.log_lines :] if shown.log_lines else ()
    if tail:
        body += ["", *fenced(tail)]
    return _details(f"{html_code(failure.drv.name)}: {failure.state.label}{known}", body)


def _sentences(title: str, sentences: Sequence[str]) -> list[str]:
    return [f"### {title}", "", *(f"- {escape(each)}" for each in sentences)] if sentences else []


def _footer(report: Report, shown: Shown) -> list[str]:
    parts = [f"{escape(stage)} {duration(seconds)}" for stage, seconds in report.timings.items()]
    lines = [f"<sub>{' · '.join([*parts, counted(report.built, 'derivation') + ' built'])}</sub>"]
    if shown.left_out:
        left_out = ", ".join(shown.left_out)
        lines += ["", f"Left out for length: {left_out}. `ekaci review --format json` has everything."]
    return lines

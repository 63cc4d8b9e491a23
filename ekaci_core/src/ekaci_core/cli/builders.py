"""``ekaci builders``."""

from __future__ import annotations

import os

import anyio
import attrs
import click

from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import format_option, table, write_document
from ekaci_core.server.builder_reports import BuilderReport, builder_reports


@click.command()
@format_option
def builders(*, form: str) -> int:
    """List the builders: what each offers, what it has to do now, and whether it answers."""
    reports = anyio.run(builder_reports, os.environ)
    if form == "json":
        write_document([_document(each) for each in reports])
        return 0
    rows: list[tuple[str, ...]] = [
        ("BUILDER", "ANSWERS", "USED", "SLOTS", "SPEED", "WHERE", "SYSTEMS", "FEATURES", "MANDATORY")
    ]
    rows += [_row(each) for each in reports]
    lines = []
    for line, report in zip(table(rows), (None, *reports), strict=True):
        lines.append(line)
        if report is not None and report.fault:
            lines.append(f"    {report.fault}")
    write_out("\n".join(lines))
    return 0


def _row(report: BuilderReport) -> tuple[str, ...]:
    if report.fault:
        return (report.name, "no", str(report.used), *("-",) * 6)
    return (
        report.name,
        "yes",
        str(report.used),
        str(report.slots),
        f"{report.speed_factor:g}",
        "here" if report.local else "elsewhere",
        ",".join(report.systems) or "-",
        ",".join(report.features) or "-",
        ",".join(report.mandatory_features) or "-",
    )


def _document(report: BuilderReport) -> dict[str, object]:
    return {**attrs.asdict(report), "answers": not report.fault}

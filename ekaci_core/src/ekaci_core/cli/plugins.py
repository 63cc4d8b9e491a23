"""``ekaci plugins``."""

from __future__ import annotations

import os

import click

from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import table
from ekaci_core.registry import load_registry
from ekaci_core.telemetry import LOG


@click.command()
def plugins() -> int:
    """List the installed plugins: what each registers, and why one is not active."""
    reports = load_registry(os.environ, LOG).reports
    rows = [("PLUGIN", "DISTRIBUTION", "STATE", "REGISTERS")]
    rows += [
        (each.name, f"{each.distribution} {each.version}", each.state.value, ", ".join(each.registers) or "-")
        for each in reports
    ]
    lines = []
    for line, report in zip(table(rows), (None, *reports), strict=True):
        lines.append(line)
        if report is not None and report.reason:
            lines.append(f"    {report.reason}")
    write_out("\n".join(lines))
    return 0

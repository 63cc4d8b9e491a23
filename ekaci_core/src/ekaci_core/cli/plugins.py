"""``ekaci plugins``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ekaci_core.cli.plugin_skeleton import KINDS, write_plugin
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import table, write_document
from ekaci_core.registry import load_registry
from ekaci_core.registry.report import PluginReport
from ekaci_core.telemetry import LOG


@click.group(invoke_without_command=True)
@click.option("--json", "form", flag_value="json", default="text", help="Print a JSON document.")
@click.pass_context
def plugins(context: click.Context, *, form: str) -> int:
    """List the installed plugins: what each registers, and why one is not active."""
    if context.invoked_subcommand is not None:
        return 0
    reports = load_registry(os.environ, LOG).reports
    if form == "json":
        write_document({"plugins": [_document(each) for each in reports]})
    else:
        write_out("\n".join(_lines(reports)))
    return 0


@plugins.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the plugin adds.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where to; NAME here unless given.")
def new(name: str, *, kind: str, folder: Path | None) -> int:
    """Write a plugin that works, with the test of its contract, to begin with.

    NAME is the name of the distribution, such as `acme-cache`.
    """
    target = folder or Path(name)
    files = write_plugin(name, kind, target)
    where = click.format_filename(target)
    write_out(
        "\n".join(
            [
                f"{len(files)} files in {where}",
                f"  pip install -e {where} 'ekaci-core[testing]'",
                f"  pytest {where}/tests",
                "  ekaci plugins",
            ]
        )
    )
    return 0


def _document(report: PluginReport) -> dict[str, object]:
    return {
        "name": report.name,
        "distribution": report.distribution,
        "version": report.version,
        "state": report.state.value,
        "registers": list(report.registers),
        "reason": report.reason,
    }


def _lines(reports: tuple[PluginReport, ...]) -> list[str]:
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
    return lines

"""``ekaci credentials``."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import click

from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import format_option, point, table, write_document
from ekaci_core.registry import load_registry
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.configuring import configuration
from ekaci_core.server.credential_reports import CredentialReport, credential_reports
from ekaci_core.telemetry import LOG


@click.group()
def credentials() -> None:
    """See where secrets come from."""


@credentials.command()
@click.argument("name", metavar="[ID]", required=False)
@click.option(
    "--config-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this file instead of what EKA_CI_CONFIG_FILE names or the usual one.",
)
@format_option
def test(name: str | None, *, config_file: Path | None, form: str) -> int:
    """Read the secrets of every configured use, or of the one whose table has the id ID, here and now.

    Only names are shown. Run it as the server's user and with its environment: what the server's unit is given, such as
    $CREDENTIALS_DIRECTORY, is not there otherwise.
    """
    registry = load_registry(os.environ, LOG)
    config = configuration(os.environ, registry, LOG, file=config_file)

    async def ask() -> tuple[CredentialReport, ...]:
        return await credential_reports(config, registry, os.environ, SystemClock(), only=name)

    reports = anyio.run(ask)
    if form == "json":
        write_document([_document(each) for each in reports])
    else:
        write_out("\n".join(_lines(reports)))
    return max((each.fault.exit_status for each in reports if each.fault is not None), default=0)


def _lines(reports: tuple[CredentialReport, ...]) -> list[str]:
    if not reports:
        return ["nothing that is configured uses credentials"]
    rows = [("USED BY", "ID", "SOURCE", "ENDS", "FOUND")]
    rows += [
        (
            each.at,
            each.id,
            each.source,
            point(each.expires_at),
            "-" if each.fault else ", ".join(each.names) or "nothing",
        )
        for each in reports
    ]
    lines = []
    for line, report in zip(table(rows), (None, *reports), strict=True):
        lines.append(line)
        if report is not None and report.fault is not None:
            lines.append(f"    {report.fault}")
            lines += [f"    {report.fault.do}"] if report.fault.do else []
    return lines


def _document(report: CredentialReport) -> dict[str, object]:
    fault = report.fault
    return {
        "at": report.at,
        "id": report.id,
        "source": report.source,
        "names": list(report.names),
        "expires_at": report.expires_at,
        "fault": None if fault is None else {"what": fault.what, "where": fault.where, "do": fault.do},
    }

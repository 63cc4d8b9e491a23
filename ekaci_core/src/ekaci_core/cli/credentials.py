"""``ekaci credentials``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import click

from ekaci_core.cli.server_client import ask, server_options
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import format_option, point, table, write_document
from ekaci_core.model.errors import EXIT_INFRASTRUCTURE, EkaciError
from ekaci_core.registry import load_registry
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.configuring import configuration
from ekaci_core.server.credential_reports import CredentialReport, credential_reports
from ekaci_core.telemetry import LOG


@click.group()
def credentials() -> None:
    """See where secrets come from, and have them read anew."""


@credentials.command()
@click.argument("name", metavar="[ID]", required=False)
@click.option(
    "--config-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this file instead of what EKA_CI_CONFIG_FILE names or the usual one.",
)
@format_option
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
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


@credentials.command(name="list")
@server_options
def listed(*, server: Path | None, form: str) -> int:
    """Say how it is with the secrets that a running server uses: what it has, until when, and which sources are down.

    No source is asked.
    """
    answer = ask(server, "Credentials")
    _tell(answer, form)
    return EXIT_INFRASTRUCTURE if any(each["fault"] and not each["usable"] for each in answer) else 0


@credentials.command()
@server_options
def reload(*, server: Path | None, form: str) -> int:
    """Have a running server read all secrets anew, at once; one that cannot be read keeps what it had."""
    answer = ask(server, "ReloadCredentials")
    _tell(answer, form)
    return EXIT_INFRASTRUCTURE if any(each["fault"] for each in answer) else 0


def _tell(answer: Sequence[Mapping[str, Any]], form: str) -> None:
    if form == "json":
        write_document(answer)
    elif not answer:
        write_out("the server uses no credentials")
    else:
        rows: list[tuple[str, ...]] = [("USED BY", "SOURCE", "READ", "ENDS", "FOUND")]
        rows += [_standing(each) for each in answer]
        write_out("\n".join(_with_notes(rows, [_down(each) for each in answer])))


def _down(found: Mapping[str, Any]) -> str | None:
    """Say since when a source is down, and what becomes of what it gave."""
    if not found["fault"]:
        return None
    if not found["usable"]:
        left = "there is nothing that holds"
    elif found["expires_at"] is None:
        left = "what it gave goes on"
    else:
        left = f"what it gave holds until {point(found['expires_at'])}"
    return f"down since {point(found['down_since'])}, {left}: {found['fault']}"


def _standing(found: Mapping[str, Any]) -> tuple[str, ...]:
    names = ", ".join(found["names"]) or "nothing"
    usable = names if found["usable"] else "-"
    return (found["used_by"], found["source"], point(found["read_at"]), point(found["expires_at"]), usable)


def _with_notes(rows: list[tuple[str, ...]], notes: Sequence[str | None]) -> list[str]:
    lines = []
    for line, note in zip(table(rows), (None, *notes), strict=True):
        lines.append(line)
        lines += [f"    {note}"] if note else []
    return lines


def _lines(reports: tuple[CredentialReport, ...]) -> list[str]:
    if not reports:
        return ["nothing that is configured uses credentials"]
    rows: list[tuple[str, ...]] = [("USED BY", "ID", "SOURCE", "ENDS", "FOUND")]
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
    notes = [None if each.fault is None else _note(each.fault) for each in reports]
    return _with_notes(rows, notes)


def _note(fault: EkaciError) -> str:
    return f"{fault}\n    {fault.do}" if fault.do else str(fault)


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

"""``ekaci config``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import click

from ekaci_core.cli.server_flags import ServerFlags, server_flags
from ekaci_core.cli.streams import say, write_out
from ekaci_core.cli.tables import format_option, table, write_document
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.problems import ConfigurationProblems, Problem
from ekaci_core.config.shown import ShownValue, shown_values
from ekaci_core.model.errors import EXIT_USAGE
from ekaci_core.registry import load_registry
from ekaci_core.server.addresses import addresses_of, check_names
from ekaci_core.server.configuring import configuration, judge, judge_repository
from ekaci_core.telemetry import LOG

_json_option = click.option("--json", "form", flag_value="json", help="The same as --format json.")


@click.group()
def config() -> None:
    """Judge configurations, and show that of the server."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
@format_option
@_json_option
def check(file: Path, *, form: str) -> int:
    """Say whether FILE can be used, with every fault in it.

    FILE is a configuration of the server; one whose name ends in .json is a repository's. What a server's names and
    this machine lacks, such as a variable, a key file, a plugin or a name that resolves, is a warning.
    """
    try:
        warnings = _judged(file)
    except ConfigurationFault as faulty:
        if form != "json":
            raise
        write_document({"file": str(file), "usable": False, "faults": _faults(faulty), "warnings": []})
        return EXIT_USAGE
    if form == "json":
        write_document({"file": str(file), "usable": True, "faults": [], "warnings": _documents(warnings)})
        return 0
    count = len(warnings)
    ending = "" if not count else ", with a warning" if count == 1 else f", with {count} warnings"
    write_out("\n".join([f"{file}: it can be used{ending}", *(f"  {warning}" for warning in warnings)]))
    return 0


@config.command()
@server_flags
@format_option
@_json_option
def show(*, flags: ServerFlags, form: str) -> int:
    """Print the configuration that the server would have here, and where each value comes from.

    Secrets are not shown.
    """
    found = configuration(os.environ, load_registry(os.environ, LOG), LOG, file=flags.file, flags=flags.given)
    values = shown_values(found)
    if form == "json":
        write_document(
            {
                "file": found.file.origin if found.file.is_there else None,
                "values": {value.key: _document(value) for value in values},
                "warnings": _documents(found.warnings),
            }
        )
        return 0
    for warning in found.warnings:
        say(f"ekaci: {warning}")
    rows = [("KEY", "VALUE", "FROM"), *((each.key, _text(each.value), str(each.origin)) for each in values)]
    write_out("\n".join(table(rows)))
    return 0


def _judged(file: Path) -> Sequence[Problem]:
    if file.suffix == ".json":
        return [Problem("", warning) for warning in judge_repository(file)]
    judged = judge(file, os.environ, load_registry(os.environ, LOG), LOG)
    unresolved = anyio.run(check_names, judged.config, addresses_of(judged.config))
    return sorted((*judged.warnings, *unresolved), key=judged.config.places.line)


def _faults(faulty: ConfigurationFault) -> list[dict[str, str | None]]:
    if isinstance(faulty, ConfigurationProblems):
        return _documents(faulty.problems)
    return [{"key": None, "what": fault, "place": faulty.where} for fault in faulty.faults]


def _document(value: ShownValue) -> dict[str, Any]:
    return {"value": value.value, "origin": value.origin.kind.value, "place": value.origin.name or None}


def _documents(problems: Sequence[Problem]) -> list[dict[str, str | None]]:
    return [{"key": each.at or None, "what": each.what, "place": each.place or None} for each in problems]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""``ekaci drv``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import Final

import anyio
import click

from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import format_option, limit_option, more, point, table, write_document
from ekaci_core.model.build import COUNTED_FAILURES
from ekaci_core.model.ids import DrvPath
from ekaci_core.server.derivation import DerivationReport, Relative, Relatives, derivation_report, relatives
from ekaci_core.store.contract import Attempt

_BLOCKERS_SHOWN: Final = 10
_VALIDITY: Final = {True: "in the store", False: "not in the store", None: "not known whether it is in the store"}


@click.group()
def drv() -> None:
    """Tell what is known of a derivation."""


@drv.command()
@click.argument("derivation", metavar="DRV")
@format_option
def info(derivation: str, *, form: str) -> int:
    """Print state, outputs and attempts of DRV: a derivation's path, or the 32 characters of its hash."""
    report = anyio.run(derivation_report, derivation, os.environ)
    if form == "json":
        write_document(_document(report))
    else:
        write_out("\n".join(_text(report)))
    return 0


@drv.command()
@click.argument("derivation", metavar="DRV")
@click.option("--reverse", is_flag=True, help="What needs DRV, instead of what DRV needs.")
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    default=1,
    metavar="N",
    show_default=True,
    help="At most N steps away; 0 is any.",
)
@limit_option(100)
@format_option
def deps(derivation: str, *, reverse: bool, depth: int, limit: int, form: str) -> int:
    """List what DRV needs, the nearest first, with the states."""
    found = anyio.run(
        partial(relatives, derivation, os.environ, reverse=reverse, depth=depth or None, limit=limit or None)
    )
    if form == "json":
        write_document(
            {"derivation": found.of, "total": found.total, "shown": [_relative(each) for each in found.shown]}
        )
    else:
        write_out("\n".join(_listed(found, reverse=reverse)))
    return 0


def _listed(found: Relatives, *, reverse: bool) -> list[str]:
    if not found.shown:
        return ["Nothing needs it." if reverse else "It needs no derivation."]
    rows = [("STEPS", "STATE", "DERIVATION")]
    rows += [(str(each.steps), _state(each), each.drv.base_name) for each in found.shown]
    return [*table(rows), *more(len(found.shown), found.total)]


def _state(relative: Relative) -> str:
    return "-" if relative.build is None else relative.build.state.label


def _text(report: DerivationReport) -> list[str]:
    record, change = report.record, report.change
    rows = [("path", str(record.path)), ("name", record.name), ("system", str(record.system))]
    if record.features:
        rows.append(("features", ", ".join(record.features)))
    rows += [
        (f"output {each.name}", f"{each.path or 'path known once it is built'} ({_VALIDITY[report.valid[each.name]]})")
        for each in record.outputs
    ]
    if change is None:
        rows.append(("state", "never queued"))
    else:
        rows.append(("state", f"{change.build.state.label} since {point(change.at)}: {change.cause}"))
        rows.append(("failures", f"{change.build.failures} of {COUNTED_FAILURES}"))
        rows += [("blocked by", line) for line in _blockers(change.build.blockers)]
    seconds = report.expected_seconds
    rows.append(("expected", "not known" if seconds is None else f"{seconds:.1f} s"))
    rows.append(("needs", f"{report.inputs[0]} directly, {report.inputs[1]} in all"))
    rows.append(("needed by", f"{report.dependents[0]} directly, {report.dependents[1]} in all"))
    lines = table(rows)
    if report.note:
        lines.append(f"what the store has is not known: {report.note}")
    for number, attempt in enumerate(report.attempts, 1):
        lines += _attempt_lines(number, attempt)
    return lines


def _blockers(blockers: Iterable[DrvPath]) -> list[str]:
    every = sorted(blockers)
    return [*every[:_BLOCKERS_SHOWN], *more(min(len(every), _BLOCKERS_SHOWN), len(every))]


def _attempt_lines(number: int, attempt: Attempt) -> list[str]:
    began = f"attempt {number}: on {attempt.builder}, {point(attempt.started_at)} to {point(attempt.ended_at)}"
    if attempt.outcome is not None:
        began += f", {attempt.outcome.label}"
    if attempt.exit_status is not None:
        began += f", exit status {attempt.exit_status}"
    lines = [began]
    if attempt.reason:
        lines.append(f"  {attempt.reason}")
    if attempt.log_path:
        lines.append(f"  log: {attempt.log_path}")
    return lines


def _document(report: DerivationReport) -> dict[str, object]:
    record, change = report.record, report.change
    build = None if change is None else change.build
    return {
        "derivation": record.path,
        "name": record.name,
        "system": record.system,
        "features": list(record.features),
        "outputs": {each.name: {"path": each.path, "valid": report.valid[each.name]} for each in record.outputs},
        "state": None if build is None else build.state.label,
        "since": None if change is None else change.at,
        "cause": None if change is None else change.cause,
        "failures": 0 if build is None else build.failures,
        "blockers": [] if build is None else sorted(build.blockers),
        "attempts": [_attempt(each) for each in report.attempts],
        "expected_seconds": report.expected_seconds,
        "inputs": {"direct": report.inputs[0], "all": report.inputs[1]},
        "dependents": {"direct": report.dependents[0], "all": report.dependents[1]},
    }


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "builder": attempt.builder,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "exit_status": attempt.exit_status,
        "outcome": None if attempt.outcome is None else attempt.outcome.label,
        "reason": attempt.reason,
        "log": attempt.log_path,
    }


def _relative(relative: Relative) -> dict[str, object]:
    return {
        "derivation": relative.drv,
        "steps": relative.steps,
        "state": None if relative.build is None else relative.build.state.label,
    }

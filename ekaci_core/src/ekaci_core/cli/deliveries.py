"""``ekaci deliveries``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ekaci_core.cli.server_client import ask, server_options
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import limit_option, point, table, write_document
from ekaci_core.process.plain import plain

_NUMBER = click.IntRange(min=1)


@click.group()
def deliveries() -> None:
    """Look at what forges told a running server, and have it handled again."""


@deliveries.command("list")
@click.option("--state", type=click.Choice(["pending", "handled", "ignored", "failed"]), help="Only in this state.")
@limit_option(100)
@server_options
def listed(*, state: str | None, limit: int, server: Path | None, form: str) -> int:
    """List deliveries, the newest first."""
    answer = ask(server, "Deliveries", state=state, limit=limit)
    if form == "json":
        write_document(answer)
    elif not answer:
        write_out("There is no delivery.")
    else:
        rows: list[tuple[str, ...]] = [("NUMBER", "RECEIVED", "FORGE", "KIND", "STATE", "TRIED", "WHAT CAME OF IT")]
        rows += [_row(each) for each in answer]
        write_out("\n".join(table(rows)))
    return 0


@deliveries.command()
@click.argument("number", type=_NUMBER)
@server_options
def show(number: int, *, server: Path | None, form: str) -> int:
    """Print the delivery NUMBER with what the forge said."""
    answer = ask(server, "Delivery", id=number)
    if form == "json":
        write_document(answer)
        return 0
    rows = [
        ("number", str(answer["id"])),
        ("forge", f"{answer['instance']} ({answer['forge']})"),
        ("name", plain(answer["name"], 200)),
        ("kind", plain(answer["kind"], 200)),
        ("received", point(answer["received_at"])),
        ("handled", point(answer["handled_at"])),
        ("state", f"{answer['state']}, tried {answer['attempts']} times"),
        ("outcome", plain(answer["outcome"]) or "-"),
    ]
    write_out("\n".join([*table(rows), "", _readable(answer["payload"])]))
    return 0


@deliveries.command()
@click.argument("number", type=_NUMBER)
@server_options
def replay(number: int, *, server: Path | None, form: str) -> int:
    """Have the delivery NUMBER handled again, as if it had just come."""
    answer = ask(server, "Replay", id=number)
    if form == "json":
        write_document(answer)
    else:
        write_out(f"It is handled again; `ekaci deliveries show {answer['id']}` says what came of it.")
    return 0


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(each["id"]),
        point(each["received_at"]),
        each["instance"],
        plain(each["kind"], 40),
        each["state"],
        str(each["attempts"]),
        plain(each["outcome"], 120),
    )


def _readable(payload: str) -> str:
    try:
        return json.dumps(json.loads(payload), indent=2)  # with everything escaped that could steer a terminal
    except (ValueError, RecursionError):
        return json.dumps(payload)

"""``ekaci pushes``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ekaci_core.cli.server_client import ask, server_options
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import limit_option, point, table, write_document
from ekaci_core.process.plain import plain

_STATES = ("pending", "pushing", "done", "present", "failed")


@click.group()
def pushes() -> None:
    """Look at what a running server pushes to caches, and have it pushed again."""


@pushes.command("list")
@click.option("--cache", metavar="ID", help="Only to this cache.")
@click.option("--state", type=click.Choice(_STATES), help="Only in this state.")
@limit_option(100)
@server_options
def listed(*, cache: str | None, state: str | None, limit: int, server: Path | None, form: str) -> int:
    """Say how caches are doing, and list pushes, the newest first."""
    answer = ask(server, "Pushes", cache=cache, state=state, limit=limit)
    if form == "json":
        write_document(answer)
        return 0
    if not answer["caches"]:
        write_out("No cache is configured.")
        return 0
    lines = table([("CACHE", *map(str.upper, _STATES), "HOW IT IS DOING"), *map(_cache, answer["caches"])])
    if answer["pushes"]:
        rows = [("NUMBER", "CACHE", "PATH", "STATE", "TRIED", "CHANGED", "WHY"), *map(_row, answer["pushes"])]
        lines += ["", *table(rows)]
    write_out("\n".join(lines))
    return 0


@pushes.command()
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--cache", metavar="ID", help="Only to this cache.")
@server_options
def retry(number: int | None, *, cache: str | None, server: Path | None, form: str) -> int:
    """Have failed pushes tried again: the one with NUMBER, those to a cache, or all."""
    answer = ask(server, "RetryPushes", cache=cache, id=number)
    if form == "json":
        write_document(answer)
    elif not answer["pushes"]:
        write_out("There is no failed push.")
    else:
        write_out(f"{answer['pushes']} wait again; `ekaci pushes list` says what comes of them.")
    return 0


def _cache(each: Mapping[str, Any]) -> tuple[str, ...]:
    doing = plain(each["fault"], 120) or "well"
    return (
        plain(each["id"], 40),
        *(str(each["pushes"][state]) for state in _STATES),
        f"{doing} (left alone for now)" if each["left_alone"] else doing,
    )


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(each["id"]),
        plain(each["cache"], 40),
        each["path"],
        each["state"],
        str(each["attempts"]),
        point(each["changed_at"]),
        plain(each["reason"], 120),
    )

"""``ekaci hooks``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ekaci_core.cli.server_client import ask, server_options
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import limit_option, point, table, write_document
from ekaci_core.model.hook import HookState
from ekaci_core.process.plain import plain


@click.command()
@click.argument("list", type=click.Choice(["list"]), required=False)
@click.option("--state", type=click.Choice([each.value for each in HookState]), help="Only in this state.")
@limit_option(100)
@server_options
def hooks(*, state: str | None, limit: int, server: Path | None, form: str, **_: object) -> int:
    """List what post-build hooks a running server has run, and is to run, the newest first."""
    answer = ask(server, "Hooks", state=state, limit=limit)
    if form == "json":
        write_document(answer)
    elif not answer:
        write_out("No hook was run or is to be run.")
    else:
        rows: list[tuple[str, ...]] = [("NUMBER", "HOOK", "OF", "REPOSITORY", "DERIVATION", "STATE", "BEGAN", "WHY")]
        rows += [_row(each) for each in answer]
        write_out("\n".join(table(rows)))
    return 0


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(each["id"]),
        plain(each["hook"], 64),
        each["origin"],
        f"{plain(each['repository'], 100)}@{each['sha'][:12]}",
        plain(each["drv_path"], 120).rpartition("/")[2],
        each["state"].replace("_", " "),
        point(each["started_at"]),
        plain(each["reason"], 160) or "-",
    )

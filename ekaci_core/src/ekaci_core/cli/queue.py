"""``ekaci queue``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from ekaci_core.cli.server_client import ask
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import format_option, limit_option, more, point, table, write_document
from ekaci_core.process.plain import plain
from ekaci_core.server.queue import queue_document, read_queue


@click.command()
@limit_option(100)
@click.option("--on-server", is_flag=True, help="List what the running server has, not what reviews here have.")
@click.option("-s", "--socket", "server", type=click.Path(path_type=Path), metavar="PATH", help="That server's socket.")
@format_option
def queue(*, limit: int, on_server: bool, server: Path | None, form: str) -> int:
    """List what waits and what is being built, in the order of starting, and why each waits."""
    if on_server or server is not None:
        found = ask(server, "Queue", limit=limit)
    else:
        found = queue_document(anyio.run(partial(read_queue, os.environ, limit=limit or None)))
    if form == "json":
        write_document(found)
    else:
        write_out("\n".join(_text(found)))
    return 0


def _text(found: Mapping[str, Any]) -> list[str]:
    entries = found["entries"]
    if not entries:
        return ["Nothing waits and nothing is being built."]
    lines = []
    if not found["alive"]:
        lines.append("No process builds now; what stands here was left by reviews and builds that have ended.")
    rows = [("STATE", "SINCE", "DERIVATION", "WHY")]
    rows += [
        (each["state"], point(each["since"]), each["derivation"].rpartition("/")[2], plain(each["why"], 500))
        for each in entries
    ]
    return [*lines, *table(rows), *more(len(entries), found["total"])]

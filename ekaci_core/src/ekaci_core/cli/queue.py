"""``ekaci queue``."""

from __future__ import annotations

import os
from functools import partial

import anyio
import click

from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import format_option, limit_option, more, point, table, write_document
from ekaci_core.server.queue import Queue, QueueEntry, read_queue


@click.command()
@limit_option(100)
@format_option
def queue(*, limit: int, form: str) -> int:
    """List what waits and what is being built, in the order of starting, and why each waits."""
    found = anyio.run(partial(read_queue, os.environ, limit=limit or None))
    if form == "json":
        write_document(
            {"alive": found.alive, "total": found.total, "entries": [_document(each) for each in found.entries]}
        )
    else:
        write_out("\n".join(_text(found)))
    return 0


def _text(found: Queue) -> list[str]:
    if not found.entries:
        return ["Nothing waits and nothing is being built."]
    lines = []
    if not found.alive:
        lines.append("No process builds now; what stands here was left by reviews and builds that have ended.")
    rows = [("STATE", "SINCE", "DERIVATION", "WHY")]
    rows += [(each.state.label, point(each.since), each.drv.base_name, each.why) for each in found.entries]
    return [*lines, *table(rows), *more(len(found.entries), found.total)]


def _document(entry: QueueEntry) -> dict[str, object]:
    return {
        "derivation": entry.drv,
        "state": entry.state.label,
        "system": entry.system,
        "since": entry.since,
        "builder": entry.builder,
        "position": entry.position,
        "why": entry.why,
    }

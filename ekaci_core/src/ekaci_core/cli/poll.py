"""``ekaci poll``."""

from __future__ import annotations

from pathlib import Path

import click

from ekaci_core.cli.server_client import ask, server_options
from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import write_document
from ekaci_core.process.plain import plain


@click.command()
@server_options
def poll(*, server: Path | None, form: str) -> int:
    """Have a running server ask its polled forges now, instead of when it is their turn."""
    answer: list[str] = ask(server, "Poll")
    if form == "json":
        write_document(answer)
    elif answer:
        write_out(f"asked: {', '.join(map(plain, answer))}")
    else:
        write_out('no forge is polled: [[github_apps]] and the like have mode = "poll" for that')
    return 0

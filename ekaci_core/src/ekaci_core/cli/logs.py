"""``ekaci logs``."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import anyio
import click

from ekaci_core.cli.streams import say, write_bytes, write_out
from ekaci_core.logs import (
    Follower,
    PlainLog,
    SealedLog,
    chunks,
    lines_in,
    log_of,
    open_log,
    shown,
    start_of_last,
    start_of_line,
)
from ekaci_core.model.errors import InfrastructureFault, UsageFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.server.places import Places

_HASH: Final = re.compile(r"[0-9a-df-np-sv-z]{32}")
_POLL_SECONDS: Final = 0.2


def _line_range(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int | None] | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,18})?(-)?(\d{1,18})?", value, re.ASCII)
    if match is None or not (match[1] or match[3]):
        raise click.BadParameter("expected numbers of lines such as 10-20, 10-, -20 or 10")
    first = int(match[1] or 1)
    last = int(match[3]) if match[3] else None if match[2] else first
    if first < 1 or (last is not None and last < first):
        raise click.BadParameter("expected line numbers from 1 on, the smaller one first")
    return first, last


@click.command()
@click.argument("derivation", metavar="DRV")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
@click.option(
    "--lines", callback=_line_range, metavar="A-B", help="Only these lines, counted from 1; also A-, -B and A."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until the build ends.")
@click.option("--raw", is_flag=True, help="The bytes as the build wrote them; mind your terminal.")
def logs(derivation: str, *, tail: int | None, lines: tuple[int, int | None] | None, follow: bool, raw: bool) -> int:
    """Print the log of DRV's last build: a derivation's path, or the 32 characters of its hash.

    Of what was built elsewhere the log is fetched from Nix's substituters, and kept.

    Escape sequences and control characters are left out, lines over 64 KiB are cut, unless --raw is given.
    """
    if lines is not None and (tail is not None or follow):
        raise click.UsageError("--lines goes neither with --tail nor with --follow")
    path = log_of(Places.of(os.environ).logs, _hash_part(derivation))
    try:
        with _opened(path, derivation) as log:
            pieces = _pieces(log, tail, lines)
            _print(_followed(pieces, log) if follow and isinstance(log, PlainLog) else pieces, raw=raw)
    except OSError as error:
        raise InfrastructureFault(f"this log cannot be read: {error.strerror}", where=str(path)) from error
    return 0


def _hash_part(text: str) -> str:
    return text if _HASH.fullmatch(text) else DrvPath.parse(text).hash_part


def _opened(path: Path, derivation: str) -> PlainLog | SealedLog:
    try:
        return open_log(path)
    except FileNotFoundError:
        _fetch(derivation)
        return open_log(path)


def _fetch(derivation: str) -> None:
    from ekaci_core.server.fetched_log import fetch_build_log  # noqa: PLC0415 - most logs are here: others load more

    fetched = anyio.run(fetch_build_log, derivation, os.environ)
    if fetched is None:
        raise UsageFault(
            "there is no log of this derivation",
            where=derivation,
            do="It was not built here, or its log was removed by age or size, and no substituter has one.",
        )
    say(f"The log was fetched from {fetched.substituter}.")


def _pieces(log: PlainLog | SealedLog, tail: int | None, lines: tuple[int, int | None] | None) -> Iterator[bytes]:
    if tail is not None:
        return chunks(log, start_of_last(log, tail))
    first, last = lines or (1, None)
    return chunks(log, start_of_line(log, first), None if last is None else start_of_line(log, last + 1))


def _followed(pieces: Iterable[bytes], log: PlainLog) -> Iterator[bytes]:
    yield from pieces
    with Follower(log) as following:
        while not following.ended:
            if data := following.read():
                yield data
            else:
                time.sleep(_POLL_SECONDS)


def _print(pieces: Iterable[bytes], *, raw: bool) -> None:
    if raw:
        for piece in pieces:
            write_bytes(piece)
        return
    for batch in lines_in(pieces):
        if batch:
            write_out("".join(f"{shown(line)}\n" for line in batch))

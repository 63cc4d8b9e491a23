"""Plain tables, times and documents on standard output."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from ekaci_core.cli.streams import write_out

Command = TypeVar("Command", bound=Callable[..., Any])


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Set rows in columns, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def format_option(command: Command) -> Command:
    """Give a command the option ``--format``, as ``form``."""
    choice = click.Choice(["text", "json"])
    return click.option("--format", "form", type=choice, default="text", show_default=True, help="How to print it.")(
        command
    )


def limit_option(default: int) -> Callable[[Command], Command]:
    """Give a command the option ``--limit``."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=default,
        metavar="N",
        show_default=True,
        help="List N at most; 0 is no limit.",
    )


def write_document(document: object) -> None:
    """Write JSON."""
    write_out(json.dumps(document, indent=2, ensure_ascii=False))


def point(seconds: float | None) -> str:
    """Write a time in the person's time zone; a dash where there is none."""
    if seconds is None:
        return "-"
    return dt.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def more(shown: int, total: int) -> list[str]:
    """Say how many were left out, if any."""
    return [f"and {total - shown} more"] if total > shown else []

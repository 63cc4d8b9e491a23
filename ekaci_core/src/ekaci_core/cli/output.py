"""Where a report goes, and in which form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from ekaci_core.cli.streams import write_out
from ekaci_core.model.errors import InfrastructureFault, UsageFault
from ekaci_core.model.report import Report
from ekaci_core.reporting import (
    Tone,
    plain,
    render_json,
    render_junit,
    render_markdown,
    render_text,
    verdict_line,
)

_COLOURS: Final = {
    Tone.GOOD: {"fg": "green", "bold": True},
    Tone.BAD: {"fg": "red", "bold": True},
    Tone.WAITING: {"fg": "yellow", "bold": True},
    Tone.ATTENTION: {"fg": "yellow"},
    Tone.HEADING: {"bold": True},
    Tone.DIM: {"dim": True},
}


def write_report(report: Report, form: str, output: Path | None, *, width: int | None, colour: bool) -> None:
    """Render the report and write it; where it goes into a file, say the verdict on standard output.

    Args:
        report: what to write.
        form: ``text``, ``markdown``, ``json`` or ``junit``.
        output: the file; None for standard output.
        width: columns of the terminal, None where there is none.
        colour: whether to use colours.

    Raises:
        InfrastructureFault: the file cannot be written.
    """
    style = coloured if colour else plain
    match form:
        case "markdown":
            text = render_markdown(report)
        case "json":
            text = render_json(report)
        case "junit":
            text = render_junit(report)
        case _:
            text = render_text(report, width=None if output else width, style=style)
    if output is None:
        write_out(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        write_out(text)  # what took hours to find out is not to be lost
        raise InfrastructureFault(
            f"cannot write the report: {error.strerror}; it stands above", where=str(output), do="mend that"
        ) from error
    write_out(verdict_line(report.verdict, style=style))


def check_output(output: Path | None) -> None:
    """See beforehand that the report can be written.

    Raises:
        UsageFault: its folder is missing or cannot be written, or it is a folder itself.
    """
    if output is None or output.is_char_device() or output.is_fifo():
        return
    target = output if output.exists() else output.parent
    if output.is_dir() or not output.parent.is_dir() or not os.access(target, os.W_OK):
        raise UsageFault("the report cannot be written there", where=str(output), do="give another file with --output")


def coloured(text: str, tone: Tone) -> str:
    """Put a tone as terminal colours."""
    colours = _COLOURS.get(tone)
    return click.style(text, **colours) if colours else text  # type: ignore[arg-type]  # the table's values fit

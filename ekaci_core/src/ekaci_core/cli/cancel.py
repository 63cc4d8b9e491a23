"""``ekaci cancel``."""

from __future__ import annotations

import os

import anyio
import click

from ekaci_core.cli.streams import write_out
from ekaci_core.cli.tables import format_option, write_document
from ekaci_core.model.build import BuildState
from ekaci_core.server.cancelling import CancelReport
from ekaci_core.server.cancelling import cancel as run_cancel


@click.command()
@click.argument("derivation", metavar="DRV")
@format_option
def cancel(derivation: str, *, form: str) -> int:
    """Cancel the build of DRV, whichever process of this machine runs it or has it in its queue.

    What needs DRV is blocked; all else goes on. Exit status: 0 cancelled, 2 there was nothing to cancel, 3 the
    machine's fault.
    """
    report = anyio.run(run_cancel, derivation, os.environ)
    if form == "json":
        write_document(
            {
                "derivation": report.drv,
                "was": report.was.label,
                "state": report.build.state.label,
                "blocked": report.blocked,
            }
        )
    else:
        write_out(_text(report))
    return 0


def _text(report: CancelReport) -> str:
    how = "was being built" if report.was is BuildState.BUILDING else "was waiting"
    blocked = f"\n  {report.blocked} that need it are blocked now" if report.blocked else ""
    return f"{report.build.state.label}: {report.drv}\n  it {how}{blocked}"

"""``ekaci review``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import anyio
import click

from ekaci_core.bus import Broadcast
from ekaci_core.cli.output import check_output, write_report
from ekaci_core.cli.progress import display_for_terminal, shown
from ekaci_core.cli.stopping import Stopped, stopping_on_signals
from ekaci_core.cli.streams import say
from ekaci_core.model.event import ReviewEvent
from ekaci_core.model.ids import System
from ekaci_core.model.report import Report
from ekaci_core.server.options import EVAL_TIMEOUT_SECONDS, RETRY_PAUSE_SECONDS, ReviewOptions
from ekaci_core.server.review import review as run_review

_POSITIVE = click.IntRange(min=1)


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=".")
@click.option("--base", metavar="REF", help="Compare with REF  [default: merge base with the default branch].")
@click.option("--head", metavar="REF", help="Review REF  [default: HEAD].")
@click.option("--worktree", is_flag=True, help="Review the uncommitted changes of the working tree.")
@click.option("--job", "jobs", metavar="NAME", multiple=True, help="Only this job; may be given several times.")
@click.option("--file", metavar="F.nix", help="Evaluate this expression instead of the configured jobs.")
@click.option(
    "-A", "--attr", "attr_globs", metavar="GLOB", multiple=True, help="Only attributes that match; may be repeated."
)
@click.option("--system", metavar="S", help="Evaluate for this platform, for example aarch64-linux.")
@click.option("--build/--no-build", default=True, help="Build what changed, or only evaluate and compare.")
@click.option("-j", "--jobs-at-once", type=_POSITIVE, metavar="N", help="Builds at once  [default: by CPU count].")
@click.option("--eval-workers", type=_POSITIVE, metavar="N", help="Evaluator processes  [default: by CPU and memory].")
@click.option("--eval-memory", type=_POSITIVE, metavar="MIB", help="Memory limit of one evaluator process.")
@click.option(
    "--eval-timeout",
    type=click.IntRange(min=0),
    default=EVAL_TIMEOUT_SECONDS,
    metavar="SECONDS",
    show_default=True,
    help="Longest time for one attribute; 0 is no limit.",
)
@click.option("--fresh", is_flag=True, help="Evaluate both sides again, whatever is known.")
@click.option(
    "--evaluator", default="auto", metavar="NAME", show_default=True, help="auto, nix-eval-jobs, nix or a plugin's."
)
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json", "junit"]), default="text")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the report here.")
@click.option("--keep-going/--fail-fast", default=True, help="After a failure, build the rest or stop.")
@click.option("--attribution/--no-attribution", default=True, help="Build base's version of what fails on head.")
@click.option(
    "--retry-pause",
    type=click.FloatRange(min=0),
    default=RETRY_PAUSE_SECONDS,
    metavar="SECONDS",
    show_default=True,
    help="First pause before a build whose fault may pass is tried again; later ones are longer.",
)
@click.option("--rebuild-failed", is_flag=True, help="Build again what is known to fail.")
def review(*, form: str, output: Path | None, jobs_at_once: int | None, system: str | None, **asked: object) -> int:
    """Evaluate base and head of the repository at PATH, build what changed, and say whether to merge.

    Exit status: 0 merge, 1 do not merge, 4 wait: not enough is known; 2 wrong use or configuration, 3 the machine's
    fault.
    """
    options = ReviewOptions(
        build_slots=jobs_at_once,
        system=None if system is None else System.parse(system),
        eval_memory_mib=asked.pop("eval_memory"),  # type: ignore[arg-type]  # click checked it
        eval_timeout_seconds=asked.pop("eval_timeout") or None,  # type: ignore[arg-type]
        retry_pause_seconds=asked.pop("retry_pause"),  # type: ignore[arg-type]
        **asked,  # type: ignore[arg-type]  # click's names are the fields' names
    )
    check_output(output)
    try:
        report = anyio.run(_reviewed, options)
    except Stopped as stopped:
        say("Stopped. What is known is kept; the next review continues from there.")
        return stopped.exit_status
    write_report(report, form, output, width=shutil.get_terminal_size((100, 24)).columns, colour=_colour(output))
    return report.verdict.exit_status


def _colour(output: Path | None) -> bool:
    return output is None and sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


async def _reviewed(options: ReviewOptions) -> Report:
    events: Broadcast[ReviewEvent] = Broadcast()
    async with stopping_on_signals(), shown(events, display_for_terminal()):
        return await run_review(options, events=events, environment=os.environ)

"""``ekaci build``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import anyio
import click

from ekaci_core.bus import Broadcast
from ekaci_core.cli.progress import display_for_terminal, shown
from ekaci_core.cli.server_building import build_on_server
from ekaci_core.cli.stopping import Stopped, stopping_on_signals
from ekaci_core.cli.streams import say, write_out
from ekaci_core.cli.tables import format_option, more, write_document
from ekaci_core.model.build import BuildState
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.event import ReviewEvent
from ekaci_core.server.single_build import BuildOptions, Culprit, SingleBuild, build_one

_CULPRITS_SHOWN: Final = 10


@click.command()
@click.argument("derivation", metavar="DRV")
@click.option("--force", is_flag=True, help="Forget that DRV failed, and build it again.")
@click.option("--rebuild-all", is_flag=True, help="Forget the failures of all that DRV needs, and of DRV.")
@click.option("-j", "--jobs-at-once", type=click.IntRange(min=1), metavar="N", help="Builds at once on this machine.")
@click.option("--on-server", is_flag=True, help="Have the running server build it, as its queue allows.")
@click.option("-s", "--socket", "server", type=click.Path(path_type=Path), metavar="PATH", help="That server's socket.")
@format_option
def build(
    derivation: str,
    *,
    force: bool,
    rebuild_all: bool,
    jobs_at_once: int | None,
    on_server: bool,
    server: Path | None,
    form: str,
) -> int:
    """Build DRV, the path of a derivation or the 32 characters of its hash, and all it needs.

    Exit status: 0 built or there already, 1 not built, 2 wrong use, 3 the machine's fault.
    """
    if on_server or server is not None:
        if jobs_at_once is not None:
            raise UsageFault("the server's configuration says how much it builds at once", where="--jobs-at-once")
        return build_on_server(server, derivation, force=force, rebuild_all=rebuild_all, form=form)
    options = BuildOptions(derivation, force=force, rebuild_all=rebuild_all, slots=jobs_at_once)
    try:
        result = anyio.run(_built, options)
    except Stopped as stopped:
        say("Stopped. What was built is kept; the next build continues from there.")
        return stopped.exit_status
    if form == "json":
        write_document(_document(result))
    else:
        write_out("\n".join(_text(result)))
    return result.exit_status


async def _built(options: BuildOptions) -> SingleBuild:
    events: Broadcast[ReviewEvent] = Broadcast()
    async with stopping_on_signals(), shown(events, display_for_terminal()):
        return await build_one(options, events=events, environment=os.environ)


def _text(result: SingleBuild) -> list[str]:
    build = result.build
    lines = [f"{build.state.label}: {build.drv}"]
    if result.reason:
        lines.append(f"  {result.reason}")
    if build.state is BuildState.SUCCESS:
        lines += [f"  {output.name}: {output.path or 'known once it is built'}" for output in result.outputs]
    lines += _log(result.log)
    for each in result.culprits[:_CULPRITS_SHOWN]:
        lines.append(f"  {each.build.state.label}: {each.build.drv}")
        lines += [f"    {line}" for line in [each.reason, *(line.strip() for line in _log(each.log))] if line]
    lines += [f"  {line}" for line in more(min(len(result.culprits), _CULPRITS_SHOWN), len(result.culprits))]
    lines += [f"  {sentence}" for sentence in result.infrastructure]
    return [*lines, *_advice(result)]


def _log(log: Path | None) -> list[str]:
    return [] if log is None else [f"  log: {log}"]


def _advice(result: SingleBuild) -> list[str]:
    """Say what builds again what was known to fail from before."""
    if result.build.state is BuildState.FAILURE and result.known:
        return ["  known from before: --force builds it again"]
    if any(each.build.state is BuildState.FAILURE and each.known for each in result.culprits):
        return ["  known from before: --rebuild-all builds again what failed"]
    return []


def _document(result: SingleBuild) -> dict[str, object]:
    return {
        "derivation": result.build.drv,
        "state": result.build.state.label,
        "reason": result.reason,
        "failures": result.build.failures,
        "log": None if result.log is None else str(result.log),
        "outputs": {output.name: output.path for output in result.outputs},
        "built": result.built,
        "known": result.known,
        "culprits": [_culprit(each) for each in result.culprits],
        "infrastructure": list(result.infrastructure),
    }


def _culprit(culprit: Culprit) -> dict[str, object]:
    return {
        "derivation": culprit.build.drv,
        "state": culprit.build.state.label,
        "reason": culprit.reason,
        "log": None if culprit.log is None else str(culprit.log),
        "known": culprit.known,
    }

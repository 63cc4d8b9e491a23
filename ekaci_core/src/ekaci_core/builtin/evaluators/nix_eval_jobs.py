"""The evaluator ``nix-eval-jobs``: the program of that name, and ``nix`` for what it leaves undone."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.api import EvaluationRequest, EvaluatorUnavailable, Logger, PluginContext
from ekaci_core.builtin.evaluators.job_file import wrapped_job
from ekaci_core.builtin.evaluators.nix import NixEvaluator, checkout_names, environment_for, folders_of, nix_version
from ekaci_core.builtin.evaluators.outbox import ItemSink
from ekaci_core.builtin.evaluators.scratch import scratch_folder
from ekaci_core.builtin.evaluators.selection import Selection
from ekaci_core.builtin.evaluators.streaming import streamed
from ekaci_core.model.evaluation import AttributeFault, EvaluatedItem
from ekaci_core.model.ids import AttrPath
from ekaci_core.nix.confinement import reachable_entries
from ekaci_core.nix.eval_errors import check_machine, strip_colours
from ekaci_core.nix.eval_jobs import parse_line
from ekaci_core.process import run, running

_PROGRAM: Final = "nix-eval-jobs"
_LINE_BYTES: Final = 64 * 1024 * 1024
_NEEDED: Final = ("--gc-roots-dir", "--meta", "--workers", "--max-memory-size")
_VERSION: Final = re.compile(r"\d+\.\d+(\.\d+)?\S*")
# What the flake wrapper has to add so that nix-eval-jobs looks into the two sets.
_OF_THE_WRAPPER: Final = frozenset({"checks.recurseForDerivations", "packages.recurseForDerivations"})


@attrs.frozen
class NixEvalJobsConfig:
    """There is nothing to configure."""


@attrs.define
class _Progress:
    """What one run has told so far. ``lost`` are errors whose attribute it forgot, kept back until its end."""

    seen: set[AttrPath] = attrs.field(factory=set)
    lost: list[AttributeFault] = attrs.field(factory=list)
    garbage: int = 0


@attrs.frozen
class NixEvalJobsEvaluator:
    """Runs the program; when it dies half-way or prints something else, the other evaluator does the rest."""

    identity: str
    environment: Mapping[str, str]
    log: Logger
    successor: NixEvaluator

    def evaluate(
        self, request: EvaluationRequest
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[EvaluatedItem]]]:
        """See `ekaci_core.api.Evaluator.evaluate`."""
        return streamed(partial(self._run, request))

    async def _run(self, request: EvaluationRequest, sink: ItemSink) -> None:
        progress = _Progress()
        with scratch_folder() as folder:
            file = wrapped_job(request, folder)
            status, said = await self._program(request, folder, file, progress, sink)
        if status == 0 and not progress.garbage:
            if progress.lost:
                await sink.send(list(progress.lost))
            return
        check_machine(said)
        self.log.warning(
            "nix_eval_jobs_incomplete", status=status, garbage_lines=progress.garbage, seen=len(progress.seen)
        )
        async with self.successor.rest_of(request, progress.seen) as rest:
            async for items in rest:
                await sink.send(items)

    async def _program(
        self, request: EvaluationRequest, folder: Path, file: Path, progress: _Progress, sink: ItemSink
    ) -> tuple[int, str]:
        home = checkout_names(request)
        selection = Selection(request.attr_globs)
        async with running(
            command(request, file, folder),
            env=environment_for(self.environment, request, folder),
            cwd=request.root,
            line_bytes=_LINE_BYTES,
        ) as child:
            async for lines in child.stdout.batches():
                items: list[EvaluatedItem] = []
                for line in lines:
                    item = None if line.cut else parse_line(line.text, home)
                    if item is None:
                        progress.garbage += bool(line.data.strip())
                    elif item.attr is None:
                        progress.lost.append(item)
                    elif item.attr not in progress.seen:
                        progress.seen.add(item.attr)
                        if item.attr not in _OF_THE_WRAPPER and selection.wants(item.attr):
                            items.append(item)
                if items:
                    await sink.send(items)
            return await child.wait(), strip_colours(await child.stderr_tail())
        raise AssertionError("unreachable: the context never swallows an exception")


class NixEvalJobsType:
    """Registers the evaluator."""

    name = _PROGRAM
    config = NixEvalJobsConfig

    @asynccontextmanager
    async def open(
        self,
        config: NixEvalJobsConfig,  # noqa: ARG002
        context: PluginContext,
    ) -> AsyncIterator[NixEvalJobsEvaluator]:
        """Find the program and ask what it can do.

        Raises:
            EvaluatorUnavailable: it is missing, too old or broken, or there is no Nix beside it.
        """
        identity = await identity_of(context.environment)
        successor = NixEvaluator(await nix_version(context.environment), context.environment)
        yield NixEvalJobsEvaluator(identity, context.environment, context.log, successor)


async def identity_of(environment: Mapping[str, str]) -> str:
    """Return name and version of the program on PATH.

    Raises:
        EvaluatorUnavailable: there is none that works.
    """
    found = shutil.which(_PROGRAM, path=environment.get("PATH", ""))
    if found is None:
        raise EvaluatorUnavailable(
            f"{_PROGRAM} was not found", where="PATH", do="install it, or use the evaluator `nix`, which needs only Nix"
        )
    offered = await run([found, "--help"], env=environment)
    text = offered.text + offered.stderr
    missing = [flag for flag in _NEEDED if flag not in text]
    if missing:
        raise EvaluatorUnavailable(
            f"it does not know {', '.join(missing)}", where=found, do=f"install {_PROGRAM} 0.0.6 or newer"
        )
    asked = await run([found, "--version"], env=environment)
    version = _VERSION.search(asked.text) if asked.status == 0 else None
    return f"{_PROGRAM} {version.group(0) if version else _fingerprint(Path(found))}"


def _fingerprint(program: Path) -> str:
    # 0.0.6 does not tell its version; any other build of it must not share results.
    real = program.resolve()
    state = real.stat()
    return "at " + hashlib.sha256(f"{real}:{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()[:12]


def command(request: EvaluationRequest, file: Path, *reachable: Path) -> list[str]:
    """Return the command line for a job that stands in ``file``; a confined one reads ``reachable`` too."""
    argv = [_PROGRAM, "--workers", str(request.workers), "--max-memory-size", str(request.memory_mib)]
    argv += ["--gc-roots-dir", str(request.gc_roots), "--meta", "--impure"]
    readable = reachable_entries((*folders_of(request), *reachable)) if request.confined else ()
    for entry in (*request.nix_path, *readable):  # it forgets NIX_PATH
        argv += ["-I", entry]
    if request.system is not None and not request.flake:
        argv += ["--argstr", "system", request.system]
    return [*argv, str(file)]

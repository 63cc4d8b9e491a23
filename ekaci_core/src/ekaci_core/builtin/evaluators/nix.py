"""The evaluator ``nix``: needs nothing but Nix itself."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import attrs

from ekaci_core.api import EvaluationRequest, EvaluatorUnavailable, PluginContext
from ekaci_core.builtin.evaluators.excerpt_reading import SLOW_BEFORE
from ekaci_core.builtin.evaluators.frontier import Frontier
from ekaci_core.builtin.evaluators.outbox import ItemSink, Outbox
from ekaci_core.builtin.evaluators.pool import Pool
from ekaci_core.builtin.evaluators.scratch import scratch_folder
from ekaci_core.builtin.evaluators.selection import Selection
from ekaci_core.builtin.evaluators.streaming import streamed
from ekaci_core.builtin.evaluators.worker import EXPRESSION, explain, worker
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.evaluation import EvaluatedItem
from ekaci_core.model.ids import AttrPath
from ekaci_core.nix.confinement import confined
from ekaci_core.nix.eval_errors import Home
from ekaci_core.nix.pins import pins
from ekaci_core.nix.versions import (
    Flavour,
    NixVersion,
    is_opened_directly,
    nix_missing,
    reach_store,
    version_of,
)
from ekaci_core.process import ProgramMissing

_OLDEST: Final = (2, 8)


@attrs.frozen
class NixConfig:
    """There is nothing to configure."""


@attrs.frozen
class NixEvaluator:
    """Evaluates with workers that are piped ``nix repl`` processes."""

    version: NixVersion
    environment: Mapping[str, str]

    @property
    def identity(self) -> str:
        """Name and version."""
        return f"nix {self.version.text}" if self.version.flavour is Flavour.NIX else str(self.version)

    def evaluate(
        self, request: EvaluationRequest
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[EvaluatedItem]]]:
        """See `ekaci_core.api.Evaluator.evaluate`."""
        return self.rest_of(request, ())

    def rest_of(
        self, request: EvaluationRequest, known: Collection[AttrPath]
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[EvaluatedItem]]]:
        """Evaluate all but the attributes in ``known`` and those that the request says are known."""
        return streamed(partial(self._run, request, request.known.union(known)))

    async def _run(self, request: EvaluationRequest, known: Collection[AttrPath], sink: ItemSink) -> None:
        with scratch_folder() as scratch:
            environment = environment_for(self.environment, request, scratch)
            own = environment_for(self.environment, attrs.evolve(request, confined=False))
            async with pins(own, request.gc_roots, scratch) as keeper:
                outbox = Outbox(keeper, sink)
                pool = Pool(
                    request=request,
                    frontier=Frontier(Selection(request.attr_globs), request.workers, known),
                    outbox=outbox,
                    start=partial(worker, request, environment, scratch),
                    explain=partial(explain, request, environment, scratch),
                    home=checkout_names(request),
                    hurry=self.version.number < SLOW_BEFORE and self.version.flavour is Flavour.NIX,
                    always_below=2 if request.flake else 1,
                )
                async with anyio.create_task_group() as group:
                    group.start_soon(outbox.run)
                    await pool.run()
                    group.cancel_scope.cancel()
                await outbox.flush()


class NixType:
    """The evaluator that is always there."""

    name = "nix"
    config = NixConfig

    @asynccontextmanager
    async def open(self, config: NixConfig, context: PluginContext) -> AsyncIterator[NixEvaluator]:  # noqa: ARG002
        """Ask Nix for its version and open its store.

        Raises:
            EvaluatorUnavailable: there is no Nix, it is too old, or it cannot reach its store.
        """
        yield NixEvaluator(await nix_version(context.environment), context.environment)


async def nix_version(environment: Mapping[str, str]) -> NixVersion:
    """Return the version of the ``nix`` on PATH, after it has opened its store.

    Opening makes a store that does not exist yet; two processes that do so at once trip over each other.

    Raises:
        EvaluatorUnavailable: there is none, it is too old, or it cannot reach its store.
    """
    try:
        version = await version_of(environment)
        if not is_opened_directly(environment):
            await reach_store(environment)
    except ProgramMissing:
        missing = nix_missing()
        raise EvaluatorUnavailable(missing.what, where=missing.where, do=missing.do) from None
    except InfrastructureFault as fault:
        raise EvaluatorUnavailable(fault.what, where=fault.where, do=fault.do) from fault
    if version.number < _OLDEST:
        raise EvaluatorUnavailable(f"{version} is too old", where="nix --version", do="install Nix 2.8 or newer")
    return version


def environment_for(environment: Mapping[str, str], request: EvaluationRequest, *reachable: Path) -> dict[str, str]:
    """Return the environment of an evaluation: ours, with the request's ``NIX_PATH`` or none.

    A confined one reads ``reachable`` beside the checkout.
    """
    made = {name: value for name, value in environment.items() if name != "NIX_PATH"}
    if request.nix_path:
        made["NIX_PATH"] = ":".join(request.nix_path)
    if request.confined:
        flake = request.root if request.flake else None
        made = confined(made, (*folders_of(request), *reachable), flake=flake, builds=request.builds)
    # More than one marking thread gains nothing, and gets in the way of other workers and evaluations. A single worker
    # collects everything: a tighter heap saves an eighth of its memory for a seventh of its time, if one is idle.
    tight = request.workers == 1 and request.alone
    return {"GC_MARKERS": "1"} | ({"GC_FREE_SPACE_DIVISOR": "8"} if tight else {}) | made


def folders_of(request: EvaluationRequest) -> tuple[Path, ...]:
    """Return what every evaluation of a job reads: its checkout, and the expression that asks."""
    return request.root, EXPRESSION


def checkout_names(request: EvaluationRequest) -> Home:
    """Return the names that the checkout may have in Nix's texts."""
    return Home.of((str(request.root), os.path.realpath(request.root)), str(EXPRESSION))

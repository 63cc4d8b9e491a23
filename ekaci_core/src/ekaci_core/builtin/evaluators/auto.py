"""The evaluator ``auto``: the fastest one that works here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from ekaci_core.api import Evaluator, EvaluatorUnavailable, PluginContext
from ekaci_core.builtin.evaluators.nix import NixEvaluator, nix_version
from ekaci_core.builtin.evaluators.nix_eval_jobs import NixEvalJobsConfig, NixEvalJobsType
from ekaci_core.nix.versions import NixVersion


@attrs.frozen
class AutoConfig:
    """There is nothing to configure."""


def choose(nix: NixVersion | None) -> str:
    """Name the evaluator to use, given the Nix that was found and may be used.

    ``nix`` wherever Nix is 2.8 or newer: it was faster than nix-eval-jobs by a factor of five to ten and took less
    memory (docs/explanation/evaluators.md has the figures), and it names the attribute of every error.
    """
    return "nix-eval-jobs" if nix is None else "nix"


class AutoType:
    """Registers the choice as an evaluator of its own."""

    name = "auto"
    config = AutoConfig

    @asynccontextmanager
    async def open(self, config: AutoConfig, context: PluginContext) -> AsyncIterator[Evaluator]:  # noqa: ARG002
        """Open the evaluator that was chosen.

        Raises:
            EvaluatorUnavailable: none works here; the message is about Nix itself.
        """
        try:
            version = await nix_version(context.environment)
        except EvaluatorUnavailable as fault:
            try:
                async with NixEvalJobsType().open(NixEvalJobsConfig(), context) as jobs:
                    yield jobs
            except EvaluatorUnavailable:
                raise fault from None
            return
        yield NixEvaluator(version, context.environment)

"""Contract of an evaluator: from a checkout and a job to attributes and derivations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import attrs

from ekaci_core.api.context import PluginContext
from ekaci_core.model.evaluation import EvaluatedItem
from ekaci_core.model.ids import AttrPath, System


@attrs.frozen
class EvaluationRequest:
    """One job on one checkout.

    Attributes:
        root: the checkout; absolute.
        file: the expression, relative to ``root``; for a flake ``flake.nix`` or the folder's ``flake.nix``.
        attr_path: where in the expression the job's attributes begin; None for the whole.
        flake: evaluate ``checks.<system>`` and ``packages.<system>`` of the flake, as attributes below
            ``checks`` and ``packages``.
        system: the platform to evaluate for; None for the machine's own. A function at the top of ``file`` is called
            with its defaults, and with ``system`` if it takes one and this is not None.
        attr_globs: keep only attributes whose text form matches one of these (``fnmatch``, where ``*`` crosses
            dots); empty keeps all.
        workers: evaluator processes at once.
        memory_mib: limit of resident memory of one worker. A worker over it is restarted; an attribute that
            exceeds it alone in a fresh worker is reported as out of memory.
        timeout_seconds: longest time one attribute may take; None for no limit.
        gc_roots: an existing directory, below which every instantiated derivation of the result is registered as a gc
            root, indirectly, before the item that names it is yielded. It is empty, or holds what protects the
            derivations in ``known``, which must stay.
        nix_path: entries for ``NIX_PATH``; empty unsets it.
        known: attributes whose results the caller has: they need not be evaluated and yielded, but may be.
        alone: whether no other evaluation shares the processors; no more than a hint.
        earlier: fingerprints of an earlier evaluation, by an evaluator of the same identity and with the same options,
            of another tree perhaps. An attribute that has the same fingerprint now may be yielded as
            `UnchangedAttribute`, which spares decoding and storing it; its derivation needs a gc root all the same. An
            evaluator that makes no fingerprints need not look at this.
        confined: whoever wrote the tree is not trusted. The evaluation may read ``root``, what ``nix_path`` names and
            what it fetches over https, and nothing else of this machine; it builds nothing. An attribute that needs
            more is an `AttributeFault`.
        builds: whether a confined evaluation may build what it imports all the same: somebody approved the tree, and
            builds are kept from the machine. An evaluator that cannot tell the two apart need not look at this.
    """

    root: Path
    file: str
    gc_roots: Path
    attr_path: str | None = None
    flake: bool = False
    system: System | None = None
    attr_globs: tuple[str, ...] = ()
    workers: int = 1
    memory_mib: int = 4096
    timeout_seconds: float | None = None
    nix_path: tuple[str, ...] = ()
    known: frozenset[AttrPath] = frozenset()
    alone: bool = True
    earlier: Mapping[AttrPath, bytes] = attrs.field(factory=dict, repr=False)
    confined: bool = False
    builds: bool = False


class Evaluator(Protocol):
    """An open evaluator. It may run several evaluations at once."""

    @property
    def identity(self) -> str:
        """Name and version, part of the cache key: ``nix 2.8.0``. Changes whenever results might."""
        ...

    def evaluate(
        self, request: EvaluationRequest
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[EvaluatedItem]]]:
        """Evaluate a job; iterate over batches of items as they come, in any order, each attribute once.

        An attribute that cannot be evaluated is an `AttributeFault` item and never ends the evaluation. A fault
        of the whole expression (syntax error, missing file, a number at the top) is one fault at the empty path.
        Leaving the context stops every process that was started and waits for it.

        Raises:
            EvaluatorUnavailable: the program is missing or broken; nothing was evaluated.
            InfrastructureFault: the machine is at fault: no space, no store, no memory for even one worker.
        """
        ...


class EvaluatorType(Protocol):
    """A kind of evaluator, as a plugin registers it."""

    @property
    def name(self) -> str:
        """The word of ``[eval] evaluator`` and ``--evaluator``."""
        ...

    @property
    def config(self) -> type[Any]:
        """The attrs class of its configuration; one without fields where there is none."""
        ...

    def open(self, config: Any, context: PluginContext) -> AbstractAsyncContextManager[Evaluator]:
        """Probe the program and open the evaluator.

        Raises:
            EvaluatorUnavailable: it cannot run on this machine; the message says why and what to do.
        """
        ...

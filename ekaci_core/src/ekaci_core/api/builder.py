"""Contract of a builder: one derivation whose inputs are all there, one attempt, one outcome."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import attrs

from ekaci_core.api.context import PluginContext
from ekaci_core.model.build import BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import System


@attrs.frozen
class BuildRequest:
    """One attempt at one derivation.

    Attributes:
        derivation: what to build; every input is valid or substitutable in the builder's store.
        log: the file that receives the build's output; its directory exists.
        gc_root: where to register the outputs, as ``nix-store --add-root`` does: ``out`` has this name, others get
            ``-<output>`` behind it. None registers none.
        no_output_timeout_seconds: end the attempt after so long without a line.
        max_duration_seconds: end the attempt after so long whatever it prints.
        on_phase: told the name of each build phase as it begins; called from the event loop.
    """

    derivation: DerivationRecord
    log: Path
    gc_root: Path | None = None
    no_output_timeout_seconds: float = 1200
    max_duration_seconds: float = 14400
    on_phase: Callable[[str], None] | None = None


@attrs.frozen
class Built:
    """The outputs are valid."""


@attrs.frozen
class BuildFailed:
    """The build ran and failed. ``final`` is set where trying again cannot help."""

    reason: str
    exit_status: int | None = None
    final: bool = False


@attrs.frozen
class BuildInterrupted:
    """The attempt ended without a result; ``kind`` is an interruption state.

    ``infrastructure`` marks a fault of the machine (disk full, daemon gone); the sentence in ``reason`` says which.
    """

    kind: BuildState
    reason: str
    infrastructure: bool = False


BuildOutcome = Built | BuildFailed | BuildInterrupted


class Builder(Protocol):
    """An open builder."""

    @property
    def name(self) -> str:
        """How reports and metrics name it."""
        ...

    @property
    def systems(self) -> frozenset[System]:
        """Platforms it builds for, extra platforms included; ``builtin`` goes everywhere and is not listed."""
        ...

    @property
    def features(self) -> frozenset[str]:
        """System features it supports."""
        ...

    @property
    def slots(self) -> int:
        """Builds it runs at once."""
        ...

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make one attempt. Cancellation stops every process of the build and waits for it.

        Raises nothing in the ordinary course: faults are outcomes.
        """
        ...


class BuilderType(Protocol):
    """A kind of builder, as a plugin registers it."""

    @property
    def name(self) -> str:
        """The word of ``[[builders]] type``."""
        ...

    @property
    def config(self) -> type[Any]:
        """The attrs class of its configuration."""
        ...

    def open(self, config: Any, context: PluginContext) -> AbstractAsyncContextManager[Builder]:
        """Probe and open the builder.

        Raises:
            InfrastructureFault: it cannot work on this machine.
        """
        ...

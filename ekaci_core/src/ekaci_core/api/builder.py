"""Contract of a builder: one derivation whose inputs are all there, one attempt, one outcome."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import attrs

from ekaci_core.api.context import PluginContext
from ekaci_core.model.build import BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import StorePath, System


@attrs.frozen
class BuildRequest:
    """One attempt at one derivation.

    Attributes:
        derivation: what to build; every input is valid or substitutable in the builder's store.
        log: the file that receives the build's output; who writes it makes its directory.
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


class TransientKind(enum.StrEnum):
    """Why an attempt that says nothing of the build may go well another time; attempts are stored with it."""

    NETWORK = "network"
    BUILDER_LOST = "builder lost"
    SSH = "ssh"
    DISK = "disk"
    DAEMON = "daemon"
    KILLED = "killed"


@attrs.frozen
class BuildInterrupted:
    """The attempt ended without a result; ``kind`` is an interruption state.

    ``infrastructure`` marks a fault of the machine (disk full, daemon gone); the sentence in ``reason`` says which.
    ``transient`` is set where it may pass by itself: such an attempt is made again after a while, elsewhere if another
    builder can, and does not count as a failure of the build.
    """

    kind: BuildState
    reason: str
    infrastructure: bool = False
    transient: TransientKind | None = None


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
    def mandatory_features(self) -> frozenset[str]:
        """Features without which it takes no build; a subset of ``features``."""
        ...

    @property
    def slots(self) -> int:
        """Builds it runs at once."""
        ...

    @property
    def speed_factor(self) -> float:
        """How fast it is beside others, 1 for ordinary; of two with a free slot the faster one is asked."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether it builds in this machine's own store: ``preferLocalBuild`` goes there, and nothing is copied."""
        ...

    async def prepare(self, request: BuildRequest) -> BuildInterrupted | None:
        """Bring to the builder what the build needs; None once all is there. Called before `build`, without a slot.

        Cancellation stops every process of it and waits for it. Raises nothing in the ordinary course.
        """
        ...

    def present(self, paths: Collection[StorePath]) -> int:
        """Say how many of these store paths the builder is known to have; a guess, answered without asking it."""
        ...

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make one attempt. Cancellation stops every process of the build and waits for it.

        Raises nothing in the ordinary course: faults are outcomes.
        """
        ...


class InLocalStore:
    """What a builder says that builds in this machine's own store: inherit it, and there is nothing to copy."""

    @property
    def mandatory_features(self) -> frozenset[str]:
        """None."""
        return frozenset()

    @property
    def speed_factor(self) -> float:
        """Ordinary."""
        return 1.0

    @property
    def is_local(self) -> bool:
        """It is."""
        return True

    async def prepare(self, request: BuildRequest) -> BuildInterrupted | None:  # noqa: ARG002 - the contract
        """All is there."""
        return None

    def present(self, paths: Collection[StorePath]) -> int:
        """All of them."""
        return len(paths)


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

"""The local builder: each attempt is one ``nix-store --realise`` in a process group of its own."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ekaci_core.api import BuildOutcome, BuildRequest, InLocalStore, System
from ekaci_core.builtin.local_builder.command import build_command
from ekaci_core.builtin.local_builder.memory import Counter, find_counters
from ekaci_core.builtin.local_builder.realising import Realising
from ekaci_core.logs import LOG_BYTES


@attrs.frozen
class LocalBuilder(InLocalStore):
    """Builds in the store of this machine, through its daemon or, as root, without.

    ``counters`` count the out-of-memory kills that builds of this store can be among. ``arguments`` are put behind
    those of every attempt.
    """

    name: str
    systems: frozenset[System]
    features: frozenset[str]
    slots: int
    environment: Mapping[str, str]
    counters: tuple[Counter, ...] = attrs.field(factory=find_counters)
    log_bytes: int = LOG_BYTES
    arguments: tuple[str, ...] = ()

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make one attempt."""
        realising = Realising(
            request,
            [*build_command(request), *self.arguments],
            self.environment,
            counters=self.counters,
            log_bytes=self.log_bytes,
        )
        return (await realising.run()).outcome

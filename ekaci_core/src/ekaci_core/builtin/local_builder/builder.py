"""The local builder: each attempt is one ``nix-store --realise`` in a process group of its own."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ekaci_core.api import BuildOutcome, BuildRequest, InLocalStore, System
from ekaci_core.builtin.local_builder.command import build_command
from ekaci_core.builtin.local_builder.realising import Realising


@attrs.frozen
class LocalBuilder(InLocalStore):
    """Builds in the store of this machine, through its daemon or, as root, without."""

    name: str
    systems: frozenset[System]
    features: frozenset[str]
    slots: int
    environment: Mapping[str, str]

    async def build(self, request: BuildRequest) -> BuildOutcome:
        """Make one attempt."""
        return (await Realising(request, build_command(request), self.environment).run()).outcome

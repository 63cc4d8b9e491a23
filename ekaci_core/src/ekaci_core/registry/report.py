"""What became of each plugin: a row for people, never an exception."""

from __future__ import annotations

import enum

import attrs


class PluginState(enum.Enum):
    """Whether a plugin takes part."""

    ACTIVE = "active"
    DISABLED = "disabled"  # by the operator; it was not even imported
    REJECTED = "rejected"  # `PluginReport.reason` says why


@attrs.frozen
class PluginReport:
    """One installed plugin.

    Attributes:
        name: the name of its entry point.
        distribution: the distribution that brings it.
        version: that distribution's version; ``unknown`` where its metadata has none.
        state: whether it takes part.
        reason: why it does not; empty for an active one.
        registers: its types, as ``evaluator nix``; also those of a plugin that was rejected after they were known.
    """

    name: str
    distribution: str
    version: str
    state: PluginState
    reason: str = ""
    registers: tuple[str, ...] = ()

    @property
    def provenance(self) -> str:
        """Where it comes from, for messages: ``plugin lua of ekaci-lua 1.2``."""
        return f"plugin {self.name} of {self.distribution} {self.version}"

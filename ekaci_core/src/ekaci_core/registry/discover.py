"""Find what calls itself a plugin: entry points of one group, the core's own built-ins among them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Final

import attrs

from ekaci_core.registry.guard import Surprise, attempt
from ekaci_core.registry.report import PluginReport, PluginState

GROUP: Final = "ekaci.plugins"
OWN_DISTRIBUTION: Final = "ekaci-core"


@attrs.frozen
class Candidate:
    """An entry point, not yet imported."""

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

    def report(self, state: PluginState, reason: str = "", registers: tuple[str, ...] = ()) -> PluginReport:
        """Say what became of it."""
        return PluginReport(self.name, self.distribution, self.version, state, reason, registers)


@attrs.frozen
class Found:
    """All candidates, the core's own first, others by name; and reports of metadata that cannot be read."""

    candidates: tuple[Candidate, ...]
    unreadable: tuple[PluginReport, ...]


def discover(installed: Iterable[Distribution] | None = None) -> Found:
    """Read the metadata of installed distributions, each by itself; imports nothing.

    Args:
        installed: the distributions to look at; None for all that Python can import from.
    """
    candidates: list[Candidate] = []
    unreadable: list[PluginReport] = []
    seen: set[str] = set()
    for distribution in distributions() if installed is None else installed:
        named = attempt(partial(_identity, distribution))
        if isinstance(named, Surprise):
            continue  # not even a name: nothing that could be asked for or reported
        name, version = named.value
        if normal_name(name) in seen:
            continue  # shadowed by the same distribution earlier on the path, which is what Python imports
        seen.add(normal_name(name))
        entries = attempt(partial(_entries, distribution))
        if isinstance(entries, Surprise):
            reason = f"its entry points cannot be read: {entries.message}"
            unreadable.append(PluginReport("unknown", name, version, PluginState.REJECTED, reason))
            continue
        candidates += (Candidate(entry.name, name, version, entry) for entry in entries.value)
    candidates.sort(
        key=lambda found: (normal_name(found.distribution) != OWN_DISTRIBUTION, found.name, found.distribution)
    )
    return Found(tuple(candidates), tuple(unreadable))


def _identity(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata
    return str(metadata["Name"]), str(metadata["Version"] or "unknown")


def _entries(distribution: Distribution) -> list[EntryPoint]:
    # Most distributions have nothing for us, and a broken file of theirs is not our affair.
    if GROUP not in (distribution.read_text("entry_points.txt") or ""):
        return []
    return [entry for entry in distribution.entry_points if entry.group == GROUP]


def normal_name(name: str) -> str:
    """One spelling for names that Python's packaging takes for the same."""
    return name.lower().replace("_", "-").replace(".", "-")

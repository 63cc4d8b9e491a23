"""The open forges of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from ekaci_core.api import (
    Branch,
    Forge,
    ForgeCapability,
    ForgeMode,
    InfrastructureFault,
    RepositoryId,
    UsageFault,
)
from ekaci_core.config.entries import ForgeEntry
from ekaci_core.intake.polling import CATCH_UP_SECONDS, Polled
from ekaci_core.registry import Instances, Kind, Registry
from ekaci_core.registry.open_forge import OpenForge

LEAST_POLL_SECONDS: Final = 5


@attrs.frozen
class Forges:
    """All that are open, in the order of the configuration.

    ``paths`` says where which types' webhooks arrive, and ``polled`` who is asked what happened.
    """

    instances: Sequence[OpenForge] = ()
    polled: Sequence[Polled] = ()
    paths: Mapping[str, Sequence[OpenForge]] = attrs.field(factory=dict)

    @property
    def told(self) -> Sequence[OpenForge]:
        """Those that tell us by webhooks."""
        asked = {id(each.at) for each in self.polled if not each.told}
        return tuple(each for each in self.instances if id(each) not in asked)

    def serving(self, repository: RepositoryId, branch: Branch | None = None) -> Forge | None:
        """Find who is configured for a repository; the first one counts."""
        for each in self.instances:
            if each.forge.host == repository.forge and each.forge.serves(repository, branch):
                return each.forge
        return None

    def must_serve(self, repository: RepositoryId) -> Forge:
        """Find who is configured for a repository.

        Raises:
            InfrastructureFault: nobody is, any more.
        """
        forge = self.serving(repository)
        if forge is None:
            raise InfrastructureFault(
                "no configured forge serves this repository", where=str(repository), do="add it to the configuration"
            )
        return forge


async def open_forges(registry: Registry, instances: Instances, entries: Sequence[ForgeEntry]) -> Forges:
    """Open every configured forge. The webhook path of each type that is installed is served, with entries or without.

    Raises:
        UsageFault: an entry is of a type that no active plugin brings, or what it says cannot be used.
        InfrastructureFault: one fails to open.
    """
    types = {(found := registry.forge_type(name)).table: (name, found) for name in registry.names(Kind.FORGE)}
    opened: list[OpenForge] = []
    polled: list[Polled] = []
    for entry in entries:
        name = types[entry.table][0] if entry.table in types else entry.table
        forge = await instances.forge(name, entry.config)
        each = OpenForge(name, entry.config.id or entry.at, forge)
        opened.append(each)
        if entry.config.mode is ForgeMode.POLL:
            _check_polled(forge, entry)
            polled.append(Polled(each, float(entry.config.poll_seconds)))
        elif _misses(forge):
            polled.append(Polled(each, CATCH_UP_SECONDS, told=True))
    forges = Forges(tuple(opened), tuple(polled))
    kinds = [(name, found.webhook_path) for name, found in types.values() if found.webhook_path is not None]
    paths = {path: [each for each in forges.told if each.type == name] for name, path in kinds}
    return attrs.evolve(forges, paths=paths)


def _misses(forge: Forge) -> bool:
    """Whether what it told while nobody listened can be found out only by asking what happened."""
    return ForgeCapability.NEWS in forge.capabilities and ForgeCapability.DELIVERY_LOG not in forge.capabilities


def _check_polled(forge: Forge, entry: ForgeEntry) -> None:
    if entry.config.poll_seconds < LEAST_POLL_SECONDS:
        do = f"take {LEAST_POLL_SECONDS} or more"
        raise UsageFault("that is too often for any forge", where=f"{entry.at}.poll_seconds", do=do)
    if ForgeCapability.NEWS not in forge.capabilities:
        do = 'take mode = "webhook"'
        raise UsageFault("forges of this type cannot be polled", where=f"{entry.at}.mode", do=do)

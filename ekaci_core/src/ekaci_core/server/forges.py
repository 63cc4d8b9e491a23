"""The open forges of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from ekaci_core.api import Branch, Forge, InfrastructureFault, RepositoryId
from ekaci_core.config.entries import ForgeEntry
from ekaci_core.registry import Instances, Kind, Registry
from ekaci_core.registry.open_forge import OpenForge


@attrs.frozen
class Forges:
    """All that are open, in the order of the configuration; ``paths`` says where which types' webhooks arrive."""

    instances: Sequence[OpenForge] = ()
    paths: Mapping[str, Sequence[OpenForge]] = attrs.field(factory=dict)

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
    for entry in entries:
        name = types[entry.table][0] if entry.table in types else entry.table
        forge = await instances.forge(name, entry.config)
        opened.append(OpenForge(name, entry.config.id or entry.at, forge))
    paths: dict[str, list[OpenForge]] = {}
    for name, found in types.values():
        if found.webhook_path is not None:
            paths[found.webhook_path] = [each for each in opened if each.type == name]
    return Forges(tuple(opened), paths)

"""The open forges of a server."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ekaci_core.api import Branch, Forge, InfrastructureFault, RepositoryId


@attrs.frozen
class OpenForge:
    """One instance: the name of its type, the operator's name of it, and where its webhooks arrive."""

    kind: str
    name: str
    webhook_path: str | None
    forge: Forge


@attrs.frozen
class Forges:
    """All that are open, in the order of the configuration."""

    instances: Sequence[OpenForge] = ()

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

"""The plugin: entry point ``forge-gitea``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_core.api import ForgeType
from ekaci_core.hookspecs import hookimpl
from ekaci_forge_gitea.kind import GiteaType

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_forge_types() -> Iterable[ForgeType]:
    """Return the forge that is Gitea or Forgejo."""
    return (GiteaType(),)

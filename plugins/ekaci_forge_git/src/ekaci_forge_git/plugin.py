"""The plugin: entry point ``forge-git``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_core.api import ForgeType
from ekaci_core.hookspecs import hookimpl
from ekaci_forge_git.kind import GitRemoteType

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_forge_types() -> Iterable[ForgeType]:
    """Return the forge that is any repository of git."""
    return (GitRemoteType(),)

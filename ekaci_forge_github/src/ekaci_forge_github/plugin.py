"""The plugin: entry point ``forge-github``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_core.api import ForgeType
from ekaci_core.hookspecs import hookimpl
from ekaci_forge_github.kind import GitHubType

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_forge_types() -> Iterable[ForgeType]:
    """Return the forge that is GitHub."""
    return (GitHubType(),)

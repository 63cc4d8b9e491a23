"""The plugin: entry point ``builder-ssh``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_builder_ssh.kind import SshBuilderType
from ekaci_core.api import BuilderType
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_builder_types() -> Iterable[BuilderType]:
    """Return the builder that builds elsewhere."""
    return (SshBuilderType(),)

"""The plugin: entry point ``builder-daemon``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_builder_daemon.kind import DaemonBuilderType
from ekaci_core.api import BuilderType
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_builder_types() -> Iterable[BuilderType]:
    """Return the builder that talks to the daemon."""
    return (DaemonBuilderType(),)

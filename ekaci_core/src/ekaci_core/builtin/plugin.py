"""The core's own plugin: entry point ``builtin``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_core.api import BuilderType
from ekaci_core.builtin.local_builder import LocalBuilderType
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_builder_types() -> Iterable[BuilderType]:
    """Return the builder that is always there."""
    return (LocalBuilderType(),)

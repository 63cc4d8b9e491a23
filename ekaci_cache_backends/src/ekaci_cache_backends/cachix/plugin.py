"""The plugin: entry point ``cachix``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_cache_backends.cachix.cache import CachixType
from ekaci_core.api import CacheType
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_cache_types() -> Iterable[CacheType]:
    """Return the caches of Cachix."""
    return (CachixType(),)

"""The entry point ``nix-copy``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ekaci_cache_backends.nix_copy.opening import NixCopyType
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_cache_types() -> Iterable[Any]:
    """Bring ``nix-copy``."""
    return [NixCopyType()]

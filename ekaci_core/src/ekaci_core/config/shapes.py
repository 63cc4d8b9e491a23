"""What is known of types: which may be named, and what their tables hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ekaci_core.config.credential_sources import KNOWN_SOURCES
from ekaci_core.config.entries import FORGE_TABLES

CACHE_TYPES = ("nix-copy", "cachix", "attic")


@attrs.frozen
class Shapes:
    """Classes of configuration.

    Attributes:
        forges: by the name of the array of tables; None where nothing is known but the array's name.
        sources: of credentials, by name.
        caches: names of types of cache.
    """

    forges: Mapping[str, type[Any] | None] = attrs.field(factory=lambda: FORGE_TABLES)
    sources: Mapping[str, type[Any]] = attrs.field(factory=lambda: KNOWN_SOURCES)
    caches: tuple[str, ...] = CACHE_TYPES

    def extended(
        self,
        *,
        forges: Mapping[str, type[Any]] | None = None,
        sources: Mapping[str, type[Any]] | None = None,
        caches: Iterable[str] = (),
    ) -> Shapes:
        """Add what plugins bring; it wins over what the core knows."""
        return Shapes(
            {**self.forges, **(forges or {})},
            {**self.sources, **(sources or {})},
            tuple(dict.fromkeys([*self.caches, *caches])),
        )

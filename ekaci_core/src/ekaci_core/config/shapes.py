"""What is known of types: which may be named, and what their tables hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ekaci_core.config.credential_sources import KNOWN_SOURCES
from ekaci_core.config.entries import FORGE_TABLES

CACHE_TYPES: Final[Mapping[str, type[Any] | None]] = dict.fromkeys(("nix-copy", "cachix", "attic"))
"""Types that operators may name; None where no plugin brings the class of their tables."""


@attrs.frozen
class Shapes:
    """Classes of configuration.

    Attributes:
        forges: by the name of the array of tables; None where nothing is known but the array's name.
        sources: of credentials, by name.
        caches: by the name of the type; None where nothing is known but the name.
    """

    forges: Mapping[str, type[Any] | None] = attrs.field(factory=lambda: FORGE_TABLES)
    sources: Mapping[str, type[Any]] = attrs.field(factory=lambda: KNOWN_SOURCES)
    caches: Mapping[str, type[Any] | None] = attrs.field(factory=lambda: CACHE_TYPES)

    def extended(
        self,
        *,
        forges: Mapping[str, type[Any]] | None = None,
        sources: Mapping[str, type[Any]] | None = None,
        caches: Mapping[str, type[Any] | None] | None = None,
    ) -> Shapes:
        """Add what plugins bring; it wins over what the core knows."""
        return Shapes(
            {**self.forges, **(forges or {})},
            {**self.sources, **(sources or {})},
            {**self.caches, **(caches or {})},
        )

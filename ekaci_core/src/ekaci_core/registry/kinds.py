"""The kinds of type that a plugin may register, one hook each."""

from __future__ import annotations

import enum


class Kind(enum.Enum):
    """What a registered type makes."""

    EVALUATOR = "evaluator"
    BUILDER = "builder"
    FORGE = "forge"
    CREDENTIAL = "credential"
    CACHE = "cache"

    @property
    def hook(self) -> str:
        """The hook that registers types of this kind."""
        return f"ekaci_register_{self.value}_types"

"""The builder that ships with the core: this machine's Nix."""

from ekaci_core.builtin.local_builder.builder import LocalBuilder
from ekaci_core.builtin.local_builder.kind import LocalBuilderConfig, LocalBuilderType

__all__ = ["LocalBuilder", "LocalBuilderConfig", "LocalBuilderType"]

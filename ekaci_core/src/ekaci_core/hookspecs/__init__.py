"""What a plugin may register. Hooks are synchronous, called once at start, and only return types.

A plugin is a module named by an entry point of the group ``ekaci.plugins``. It states the contract it was written
for, and implements one or more hooks::

    from ekaci_core.hookspecs import hookimpl

    EKACI_PLUGIN_API = 1

    @hookimpl
    def ekaci_register_evaluator_types():
        return [MyEvaluatorType()]
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from ekaci_core.api import BuilderType, CacheType, CredentialType, EvaluatorType, ForgeType

PROJECT = "ekaci"

__all__ = [
    "PROJECT",
    "ekaci_register_builder_types",
    "ekaci_register_cache_types",
    "ekaci_register_credential_types",
    "ekaci_register_evaluator_types",
    "ekaci_register_forge_types",
    "hookimpl",
    "hookspec",
]

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ekaci_register_evaluator_types() -> Iterable[EvaluatorType]:
    """Return the kinds of evaluator that this plugin adds."""
    return ()


@hookspec
def ekaci_register_builder_types() -> Iterable[BuilderType]:
    """Return the kinds of builder that this plugin adds."""
    return ()


@hookspec
def ekaci_register_forge_types() -> Iterable[ForgeType]:
    """Return the kinds of forge that this plugin adds."""
    return ()


@hookspec
def ekaci_register_credential_types() -> Iterable[CredentialType]:
    """Return the kinds of credential source that this plugin adds."""
    return ()


@hookspec
def ekaci_register_cache_types() -> Iterable[CacheType]:
    """Return the kinds of binary cache that this plugin adds."""
    return ()

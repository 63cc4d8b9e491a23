"""The core's own plugin: entry point ``builtin``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_core.api import BuilderType, CredentialType, EvaluatorType
from ekaci_core.builtin.credentials import CachixTokenType, EnvType, FileType, GithubAppKeyFileType, NoneType
from ekaci_core.builtin.evaluators import AutoType, NixEvalJobsType, NixType
from ekaci_core.builtin.local_builder import LocalBuilderType
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_builder_types() -> Iterable[BuilderType]:
    """Return the builder that is always there."""
    return (LocalBuilderType(),)


@hookimpl
def ekaci_register_evaluator_types() -> Iterable[EvaluatorType]:
    """Return the evaluators that are always there."""
    return (AutoType(), NixType(), NixEvalJobsType())


@hookimpl
def ekaci_register_credential_types() -> Iterable[CredentialType]:
    """Return the credential sources that need nothing but this machine."""
    return (EnvType(), FileType(), NoneType(), CachixTokenType(), GithubAppKeyFileType())

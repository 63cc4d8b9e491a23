"""The plugin: entry point ``credentials-systemd``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_core.api import CredentialType
from ekaci_core.hookspecs import hookimpl
from ekaci_credentials_systemd.source import SystemdCredentialType

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_credential_types() -> Iterable[CredentialType]:
    """Return the source of the unit's credentials."""
    return (SystemdCredentialType(),)

"""The plugin: entry point ``credentials-vault``."""

from __future__ import annotations

from collections.abc import Iterable

from ekaci_core.api import CredentialType
from ekaci_core.hookspecs import hookimpl
from ekaci_credentials_vault.source import VaultType

EKACI_PLUGIN_API = 1


@hookimpl
def ekaci_register_credential_types() -> Iterable[CredentialType]:
    """Return the source of Vault's secrets."""
    return (VaultType(),)

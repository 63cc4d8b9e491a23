"""Environment variables that hold a server's secrets: what it starts is not given them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.lacking import credential_uses
from ekaci_core.config.schema import settings
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.variables import SPECIAL, variable_of

_OF_A_CLOUD = "AWS_"
"""Read by the cloud's own library, from the environment of the server itself."""


def secret_variables(config: ServerConfig, environment: Mapping[str, str]) -> frozenset[str]:
    """Name the variables of an environment that a configuration takes secrets from."""
    keys = {key for key, setting in settings().items() if setting.words == "secret"}
    names = {name for name, key in SPECIAL.items() if key in keys}
    names.update(name for each in credential_uses(config) for name in _of_use(each.use))
    forms = {variable_of(key).upper() for key in keys}
    return frozenset(
        name for name in environment if name.upper() in forms or (name in names and not name.startswith(_OF_A_CLOUD))
    )


def _of_use(use: CredentialUse) -> Iterator[str]:
    given = use.settings
    match use.source:
        case "env":
            yield from given.get("vars", ())
        case "cachix-token":
            yield given["env_var"]
        case "vault":
            yield given.get("token_env", "VAULT_TOKEN")
            yield given.get("secret_id_env", "VAULT_SECRET_ID")

"""What a configuration names and this machine has not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.convert import address
from ekaci_core.config.problems import Problem
from ekaci_core.config.rules import is_web_address
from ekaci_core.config.server import ServerConfig
from ekaci_core.process.sandbox import BUBBLEWRAP


def lacking(config: ServerConfig, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """Name variables that are not set, files that are not there or cannot be read, and a sandbox that is missing."""
    found = []
    for each in credential_uses(config):
        where = address(each.at, each.use.source)
        for key, what in _of_source(each.use, environment):
            spot = f"{where}.{key}" if key else where
            found.append(Problem(spot, what, config.places.nearest(spot)))
    found += [Problem(spot, what, config.places.nearest(spot)) for spot, what in _of_hooks(config, environment)]
    return tuple(found)


@attrs.frozen
class PlacedUse:
    """A use of a credential source, the address of the table that it stands in, and its key there."""

    table: str
    key: str
    use: CredentialUse

    @property
    def at(self) -> str:
        """Its address."""
        return address(self.table, self.key)


def credential_uses(config: ServerConfig) -> Iterator[PlacedUse]:
    """Go through every use of a credential source; types of caches may have more than one."""
    if config.oauth.credentials is not None:
        yield PlacedUse("oauth", "credentials", config.oauth.credentials)
    for forge in config.forges:
        if forge.config.credentials is not None:
            yield PlacedUse(forge.at, "credentials", forge.config.credentials)
    for cache in config.caches:
        yield PlacedUse(cache.at, "credentials", cache.credentials)
        for key, use in cache.further_credentials.items():
            yield PlacedUse(cache.at, key, use)


def _of_hooks(config: ServerConfig, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    sandboxed = [hook for hook in config.hooks if hook.sandbox]
    bubblewrap = shutil.which(BUBBLEWRAP, path=environment.get("PATH", os.defpath))
    for hook in sandboxed:
        if bubblewrap is None:
            yield (
                hook.at,
                f"bubblewrap ({BUBBLEWRAP}) is not on PATH here, and without its sandbox the hook does not run",
            )
        for index, path in enumerate(hook.ro_bind):
            if not path.exists():
                yield address(f"{hook.at}.ro_bind", index), f"there is no {path} here"


def _of_source(use: CredentialUse, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    settings = use.settings
    match use.source:
        case "env":
            yield from (("vars", _unset(name)) for name in settings.get("vars", ()) if not environment.get(name))
        case "cachix-token":
            yield from _variable("env_var", settings.get("env_var"), environment)
        case "vault":
            yield from _of_vault(settings, environment)
        case "file":
            yield from _file("path", settings.get("path"))
        case "github-app-key-file":
            yield from _variable("app_id_env", settings.get("app_id_env"), environment)
            yield from _file("key_file", settings.get("key_file"))
        case "systemd-credential":
            folder = environment.get("CREDENTIALS_DIRECTORY")
            if folder:
                yield from _file("name", Path(folder, settings.get("name", "")))
            else:
                yield "", _unset("CREDENTIALS_DIRECTORY")


def _of_vault(settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if not is_web_address(settings.get("address", "")):
        yield "address", 'it is no address such as "https://vault.example.com:8200"'
    if settings.get("auth", "token") == "token" and "token_file" not in settings:
        yield from _variable("token_env", settings.get("token_env", "VAULT_TOKEN"), environment)
    for key in ("token_file", "secret_id_file", "jwt_file", "ca_file"):
        yield from _file(key, settings.get(key))


def _variable(key: str, name: str | None, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if name is not None and not environment.get(name):
        yield key, _unset(name)


def _unset(name: str) -> str:
    return f"the variable {name} is not set here"


def _file(key: str, path: str | Path | None) -> Iterator[tuple[str, str]]:
    if path is None:
        return
    if not Path(path).is_file():
        yield key, f"there is no file {path} here"
    elif not os.access(path, os.R_OK):
        yield key, f"{path} cannot be read here"

"""``credentials = {...}``: which source secrets come from. Nothing is read here; the settings are only judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import cattrs
from cattrs import Converter

from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.convert import WrongMembers, WrongValue, expected, named
from ekaci_core.config.hiding import hide_secrets
from ekaci_core.config.rules import Rule, Text, VariableName, one_of
from ekaci_core.config.suggest import did_you_mean

REFERENCE: Final = "github-app-key"
"""The source that means: what that entry of ``[[github_apps]]`` has."""

APP_ID: Final = "GITHUB_APP_ID"
APP_KEY: Final = "GITHUB_APP_PRIVATE_KEY"

_NAME: Final = re.compile(r"[a-z][a-z-]{0,39}")


@attrs.frozen
class NoSettings:
    """Of ``none``."""


@attrs.frozen
class EnvSettings:
    """Of ``env``: secrets under the names of their variables."""

    vars: Annotated[tuple[VariableName, ...], Rule("at least one variable", bool)]


@attrs.frozen
class FileSettings:
    """Of ``file``: JSON, or lines ``KEY=VALUE``. ``allow_shared``: others on the machine may be able to read it."""

    path: Path
    allow_shared: bool = False


@attrs.frozen
class AwsProfileSettings:
    """Of ``aws-profile``: a section of AWS's own files."""

    profile: Text


@attrs.frozen
class CachixTokenSettings:
    """Of ``cachix-token``: the variable with the token."""

    env_var: VariableName


@attrs.frozen
class VaultSettings:
    """Of ``vault``."""

    address: Text
    secret_path: Text
    token_env: VariableName = "VAULT_TOKEN"  # noqa: S105 - a name
    namespace: Text | None = None


@attrs.frozen
class AwsSecretsManagerSettings:
    """Of ``aws-secrets-manager``. ``region`` is None for what ``AWS_REGION`` says."""

    secret_name: Text
    region: Text | None = None


@attrs.frozen
class SystemdCredentialSettings:
    """Of ``systemd-credential``: a file of ``$CREDENTIALS_DIRECTORY``."""

    name: Annotated[str, Rule("the name of a credential, without a slash", lambda name: bool(name) and "/" not in name)]


@attrs.frozen
class InstanceMetadataSettings:
    """Of ``instance-metadata``: what the cloud gives this machine. ``provider`` is None to find out."""

    provider: Annotated[str, one_of("aws", "gcp", "azure")] | None = None
    secret_name: Text | None = None


@attrs.frozen
class GithubAppKeyFileSettings:
    """Of ``github-app-key-file``: the App's number from a variable, its key from a PEM file."""

    app_id_env: VariableName
    key_file: Path


@attrs.frozen
class GithubAppKeySettings:
    """Of ``github-app-key``. ``app_id`` is the ``id`` of an entry of ``[[github_apps]]``."""

    app_id: Text


KNOWN_SOURCES: Final[Mapping[str, type[Any]]] = {
    "none": NoSettings,
    "env": EnvSettings,
    "file": FileSettings,
    "aws-profile": AwsProfileSettings,
    "cachix-token": CachixTokenSettings,
    "vault": VaultSettings,
    "aws-secrets-manager": AwsSecretsManagerSettings,
    "systemd-credential": SystemdCredentialSettings,
    "instance-metadata": InstanceMetadataSettings,
    "github-app-key-file": GithubAppKeyFileSettings,
    REFERENCE: GithubAppKeySettings,
}
"""Settings by source, as far as no plugin brings a class of its own."""

_OTHER_NAMES: Final = {"systemd": "systemd-credential", "git-hub-app-key-file": "github-app-key-file"}
_OTHER_KEYS: Final = {"systemd-credential": {"credential_id": "name"}}


def register_credentials(converter: Converter, sources: Mapping[str, type[Any]]) -> None:
    """Make a converter know `CredentialUse`; ``sources`` are the classes of settings by name."""
    converter.register_structure_hook(CredentialUse, lambda value, _: _use(value, sources, converter))


def cannot_name_app(use: CredentialUse) -> str | None:
    """Say why a source cannot yield the number and key of a GitHub App; None where it may."""
    match use.source:
        case "none" | "cachix-token":
            return f"{use.source} has neither {APP_ID} nor {APP_KEY}"
        case "aws-profile":
            return f"an AWS profile has keys of AWS, and neither {APP_ID} nor {APP_KEY}"
        case "env":
            missing = [name for name in (APP_ID, APP_KEY) if name not in use.settings.get("vars", ())]
            return f"vars lacks {' and '.join(missing)}" if missing else None
        case _:
            return None


def _use(value: object, sources: Mapping[str, type[Any]], converter: Converter) -> CredentialUse:
    if isinstance(value, CredentialUse):
        return value
    written, settings = _written(value, sources)
    name = _OTHER_NAMES.get(written, written)
    if name not in sources:
        what = f'"{written}"' if _NAME.fullmatch(written) else "that"  # somebody may have put the secret itself there
        hint = did_you_mean(written, sources) or f"; there are: {_listed(sources)}"
        raise WrongValue(f"there is no source {what}{hint}")
    if isinstance(settings, Mapping):
        keys = _OTHER_KEYS.get(name, {})
        settings = {
            keys.get(key, key) if keys.get(key, key) not in settings else key: settings[key] for key in settings
        }
    settings = hide_secrets(settings)
    try:
        converter.structure(settings, sources[name])
    except (WrongValue, WrongMembers, cattrs.ClassValidationError) as error:
        if isinstance(value, str):
            raise WrongValue(f'the source "{name}" needs settings, written {{ {name} = {{ ... }} }}') from None
        raise WrongMembers([(written, named(error))]) from None
    return CredentialUse(name, settings)


def _written(value: object, sources: Mapping[str, type[Any]]) -> tuple[str, Any]:
    if isinstance(value, str):
        return value, {}
    if not isinstance(value, Mapping):
        expected(f"a source, such as {{ env = {{ ... }} }}; there are: {_listed(sources)}", value)
    if len(value) != 1:
        found = f"got {len(value)}" if value else f"there is none; there are: {_listed(sources)}"
        raise WrongValue(f"expected one source, such as {{ env = {{ ... }} }}, {found}")
    return next(iter(value.items()))


def _listed(sources: Mapping[str, type[Any]]) -> str:
    return ", ".join(sorted(sources))

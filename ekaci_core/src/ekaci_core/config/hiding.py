"""Secrets in tables whose meaning the core does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
from cattrs import Converter

from ekaci_core.config.convert import WrongValue
from ekaci_core.model.secret import REDACTED, Secret

_SECRET_KEY: Final = re.compile(
    r"(.*[_-])?(token|secret|password|passphrase|passwd|(private|secret|signing|access|api)[_-]?key)", re.IGNORECASE
)
_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s]+@")


def hide_secrets(table: Any, *, key: str = "") -> Any:
    """Copy a value; texts under keys such as ``token`` and ``webhook_secret`` become secrets, at any depth."""
    if isinstance(table, Mapping):
        return {name: hide_secrets(member, key=str(name)) for name, member in table.items()}
    if isinstance(table, list):
        return [hide_secrets(member, key=key) for member in table]
    return Secret(table) if isinstance(table, str) and _SECRET_KEY.fullmatch(key) else table


def config_secrets(value: Any) -> Iterator[Secret]:
    """Go through the secrets that stand in a configuration itself, at any depth."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        yield from (secret for member in value.values() for secret in config_secrets(member))
    elif isinstance(value, list | tuple):
        yield from (secret for member in value for secret in config_secrets(member))
    elif attrs.has(type(value)):
        fields = attrs.fields(type(value))
        yield from (secret for field in fields for secret in config_secrets(getattr(value, field.name)))


def without_user_info(text: str) -> str:
    """Take name and password out of addresses in a text that is to be shown."""
    return _USER_INFO.sub(f"{REDACTED}@", text)


def register_secrets(converter: Converter) -> None:
    """Make a converter know `Secret`. What it says of a wrong value never shows it."""
    converter.register_structure_hook(Secret, lambda value, _: _secret(value))
    converter.register_structure_hook_func(
        lambda kind: kind == str | Secret,
        lambda value, _: _secret(value) if isinstance(value, Secret) else converter.structure(value, str),
    )


def _secret(value: object) -> Secret:
    if isinstance(value, str):
        value = Secret(value)
    if not isinstance(value, Secret):
        raise WrongValue("expected a string")
    if not value:
        raise WrongValue("expected a secret, got an empty string")
    return value

"""The server's configuration as it is shown: secrets redacted, each value with its origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.convert import address
from ekaci_core.config.hiding import hide_secrets, without_user_info
from ekaci_core.config.hooks import HookKeys
from ekaci_core.config.problems import Origin, OriginKind
from ekaci_core.config.schema import settings
from ekaci_core.config.server import ServerConfig

_ELSEWHERE: Final = {"graph_lru_capacity": ("graph", "lru_capacity"), "unix.socket_path": ("socket_path",)}


@attrs.frozen
class ShownValue:
    """One key; ``value`` is fit for JSON and holds no secret."""

    key: str
    value: Any
    origin: Origin


def shown_values(config: ServerConfig) -> tuple[ShownValue, ...]:
    """List every key, then every entry of every array."""
    found = [*_values(config), *_entries(config)]
    return tuple(ShownValue(key, plain(value), _origin(config, key)) for key, value in found)


def plain(value: Any) -> Any:
    """Make a value fit for JSON, without secrets."""
    if isinstance(value, CredentialUse):
        return {value.source: plain(value.settings)}
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_user_info(str(value))


def _values(config: ServerConfig) -> Iterator[tuple[str, Any]]:
    for key in settings():
        path = _ELSEWHERE.get(key, tuple(key.split(".")))
        holder: Any = config
        for name in path[:-1]:
            holder = getattr(holder, name)
        if holder is config and not hasattr(config, path[-1]):
            holder = config.building
        yield key, getattr(holder, path[-1])


def _entries(config: ServerConfig) -> Iterator[tuple[str, Any]]:
    for index, table in enumerate(config.file.contents.get("builders", ())):
        yield from _flat(address("builders", index), hide_secrets(table))
    for forge in config.forges:
        keys = {**forge.written, "credentials": forge.config.credentials, "permissions": forge.config.permissions}
        yield from _flat(forge.at, {key: value for key, value in keys.items() if value is not None})
    for cache in config.caches:
        keys = {field.name: getattr(cache, field.name) for field in attrs.fields(type(cache))}
        yield from _flat(
            cache.at, {**{key: keys[key] for key in keys if key not in ("at", "settings", "config")}, **cache.settings}
        )
    for hook in config.hooks:
        keys = {field.name: getattr(hook, field.name) for field in attrs.fields(HookKeys)}
        yield from _flat(hook.at, keys)


def _flat(at: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        where = address(at, key)
        if key == "permissions":
            yield from _flat(where, {field.name: getattr(value, field.name) for field in attrs.fields(type(value))})
        else:
            yield where, value


def _origin(config: ServerConfig, key: str) -> Origin:
    found = config.places.origin(key)
    if found is not None:
        return found
    if key.endswith("]") or "[" not in key:
        return Origin(OriginKind.DEFAULT)
    within = config.places.origin(key.split(".", 1)[0])  # an entry that a variable stands for
    return within if within is not None and within.kind is OriginKind.VARIABLE else Origin(OriginKind.DEFAULT)

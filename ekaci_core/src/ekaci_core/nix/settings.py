"""Nix's own settings, as ``nix show-config --json`` (2.8) or ``nix config show --json`` (2.20) prints them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from ekaci_core.model.errors import BadName, InfrastructureFault
from ekaci_core.model.ids import System


@attrs.frozen
class NixSettings:
    """The settings that decide what this machine can build.

    ``system`` is the machine's own platform, ``extra_platforms`` others that it can build for. ``max_jobs`` are the
    builds at once that Nix itself would allow, ``cores`` those that one build may use (0: all). ``sandbox`` is
    ``true``, ``false`` or ``relaxed``. ``store`` is the store's address, ``auto`` where nobody chose one.
    """

    system: System
    extra_platforms: tuple[System, ...] = ()
    system_features: frozenset[str] = frozenset()
    max_jobs: int = 1
    cores: int = 0
    sandbox: str = "false"
    substituters: tuple[str, ...] = ()
    store: str = "auto"
    build_users_group: str = ""
    auto_allocate_uids: bool = False

    @property
    def systems(self) -> frozenset[System]:
        """All platforms that this machine builds for."""
        return frozenset((self.system, *self.extra_platforms))


def parse_settings(text: str | bytes) -> NixSettings:
    """Read the JSON that Nix prints. A setting that this Nix does not have keeps its default.

    Raises:
        InfrastructureFault: it is not that JSON, or names no platform.
    """
    try:
        raw = json.loads(text)
        values = {name: entry["value"] for name, entry in raw.items() if isinstance(entry, Mapping)}
        system = System.parse(_text(values, "system", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadName):
        raise InfrastructureFault(
            "Nix's answer about its settings was not understood",
            where="nix show-config --json",
            do="run that command; it must print a JSON object with `system`",
        ) from None
    return NixSettings(
        system=system,
        extra_platforms=tuple(System(each) for each in _texts(values, "extra-platforms") if each != system),
        system_features=frozenset(_texts(values, "system-features")),
        max_jobs=_number(values, "max-jobs", 1),
        cores=_number(values, "cores", 0),
        sandbox=_text(values, "sandbox", "false"),
        substituters=_texts(values, "substituters"),
        store=_text(values, "store", "auto") or "auto",
        build_users_group=_text(values, "build-users-group", ""),
        auto_allocate_uids=values.get("auto-allocate-uids") is True,
    )


def _text(values: Mapping[str, Any], name: str, default: str) -> str:
    value = values.get(name, default)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else default


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = values.get(name)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _number(values: Mapping[str, Any], name: str, default: int) -> int:
    value = values.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default

"""Nix's own settings, as ``nix show-config --json`` (2.8) or ``nix config show --json`` (2.20) prints them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ekaci_core.model.errors import BadName, InfrastructureFault
from ekaci_core.model.ids import System
from ekaci_core.nix.substitution_settings import SubstitutionSettings

# What is not named here counts, so that a setting of a Nix to come is never overlooked. `nix-path` is looked into by
# whoever makes keys of evaluations.
_NEVER_IN_A_RESULT: Final = frozenset(
    {
        "access-tokens",
        "allowed-users",
        "auto-optimise-store",
        "bash-prompt",
        "bash-prompt-prefix",
        "bash-prompt-suffix",
        "build-hook",
        "build-poll-interval",
        "builders",
        "builders-use-substitutes",
        "compress-build-log",
        "connect-timeout",
        "cores",
        "download-attempts",
        "download-buffer-size",
        "eval-cores",
        "fsync-metadata",
        "gc-reserved-space",
        "http-connections",
        "http2",
        "keep-build-log",
        "keep-derivations",
        "keep-env-derivations",
        "keep-failed",
        "keep-going",
        "keep-outputs",
        "log-lines",
        "max-build-log-size",
        "max-free",
        "max-jobs",
        "max-silent-time",
        "max-substitution-jobs",
        "min-free",
        "min-free-check-interval",
        "narinfo-cache-negative-ttl",
        "narinfo-cache-positive-ttl",
        "netrc-file",
        "nix-path",
        "post-build-hook",
        "print-missing",
        "secret-key-files",
        "stalled-download-timeout",
        "system-features",
        "timeout",
        "trusted-substituters",
        "trusted-users",
        "use-sqlite-wal",
        "user-agent-suffix",
        "warn-dirty",
    }
)


@attrs.frozen
class NixSettings:
    """The settings that decide what this machine can build, and what an evaluation yields.

    ``system`` is the machine's own platform, ``extra_platforms`` others that it can build for. ``max_jobs`` are the
    builds at once that Nix itself would allow, ``cores`` those that one build may use (0: all). ``sandbox`` is
    ``true``, ``false`` or ``relaxed``; ``sandbox_fallback`` lets builds run without one where it cannot be made.
    ``store`` is the store's address, ``auto`` where nobody chose one.
    ``nix_path`` are the entries that hold where ``NIX_PATH`` says nothing. ``evaluation`` is a digest of all settings
    that may have a part in what an evaluation yields. ``substitution`` is what decides from where outputs are fetched.
    """

    system: System
    extra_platforms: tuple[System, ...] = ()
    system_features: frozenset[str] = frozenset()
    max_jobs: int = 1
    cores: int = 0
    sandbox: str = "false"
    sandbox_fallback: bool = True
    substituters: tuple[str, ...] = ()
    store: str = "auto"
    build_users_group: str = ""
    auto_allocate_uids: bool = False
    nix_path: tuple[str, ...] = ()
    evaluation: str = ""
    substitution: SubstitutionSettings = SubstitutionSettings()

    @property
    def really_sandboxes(self) -> bool:
        """Whether every build is kept from the machine: ``relaxed`` lets a derivation ask for none (``__noChroot``)."""
        return self.sandbox == "true" and not self.sandbox_fallback

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
        sandbox_fallback=values.get("sandbox-fallback") is not False,
        substituters=_texts(values, "substituters"),
        store=_text(values, "store", "auto") or "auto",
        build_users_group=_text(values, "build-users-group", ""),
        auto_allocate_uids=values.get("auto-allocate-uids") is True,
        nix_path=_texts(values, "nix-path"),
        evaluation=_digest(values),
        substitution=SubstitutionSettings.of(values),
    )


def _digest(values: Mapping[str, Any]) -> str:
    deciding = {name: value for name, value in values.items() if name not in _NEVER_IN_A_RESULT}
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


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

"""Those of Nix's settings that decide from where outputs are fetched, and whom to trust."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self

import attrs


@attrs.frozen
class SubstitutionSettings:
    """Nix's settings of the same names; times are seconds.

    ``substitute`` False means that nothing is fetched at all. With ``fallback`` a cache that fails counts as one that
    has nothing. ``connect_timeout`` 0 and ``http_connections`` 0 mean no limit.
    """

    substitute: bool = True
    substituters: tuple[str, ...] = ()
    trusted_substituters: tuple[str, ...] = ()
    trusted_public_keys: tuple[str, ...] = ()
    trusted_users: tuple[str, ...] = ()
    require_sigs: bool = True
    fallback: bool = False
    always_allow_substitutes: bool = False
    netrc_file: str = ""
    connect_timeout: int = 0
    download_attempts: int = 5
    http_connections: int = 25
    positive_ttl: int = 30 * 24 * 3600
    negative_ttl: int = 3600

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Pick them from all settings by name; one that is missing or of another form keeps its default."""
        names = {"positive_ttl": "narinfo-cache-positive-ttl", "negative_ttl": "narinfo-cache-negative-ttl"}
        found: dict[str, Any] = {}
        for field in attrs.fields(cls):
            value = values.get(names.get(field.name, field.name.replace("_", "-")))
            if isinstance(field.default, tuple):
                if isinstance(value, list):
                    found[field.name] = tuple(each for each in value if isinstance(each, str))
            elif type(value) is type(field.default):
                found[field.name] = value
        return cls(**found)

    def trusts(self, user: str, groups: Collection[str]) -> bool:
        """Say whether a daemon with these settings lets a person choose substituters and keys."""
        mine = {"*", user, *(f"@{group}" for group in groups)}
        return not mine.isdisjoint(self.trusted_users)

    def of_daemon(self, daemon: Self) -> Self:
        """Return what holds for a person whom the daemon does not trust.

        These are the daemon's own settings, but for the substituters: the person's, where the daemon knows them.
        """
        allowed = {*daemon.substituters, *daemon.trusted_substituters}
        return attrs.evolve(
            daemon,
            substituters=tuple(each for each in self.substituters if each in allowed),
            substitute=self.substitute,
        )

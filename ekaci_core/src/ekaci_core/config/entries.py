"""Arrays of tables: ``[[caches]]``, and one array for each type of forge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

import attrs
import cattrs
from cattrs import Converter

from ekaci_core.api.cache import CacheConfig
from ekaci_core.api.credentials import CredentialUse
from ekaci_core.api.forge import ForgeConfig
from ekaci_core.config.convert import Located, WrongMembers, WrongValue, address, locate, named, shown_key
from ekaci_core.config.hiding import hide_secrets, without_user_info
from ekaci_core.config.hooks import HOOK_TABLES, HookEntry, HookKeys
from ekaci_core.config.rules import Text, one_of, within
from ekaci_core.model.policy import Permissions
from ekaci_core.model.secret import Secret

GITHUB_APPS: Final = "github_apps"
GITEA_INSTANCES: Final = "gitea_instances"
GITLAB_INSTANCES: Final = "gitlab_instances"
GIT_REMOTES: Final = "git_remotes"

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {GITHUB_APPS: ("id", "credentials")}
_CREDENTIALS: Final = "credentials"
_SET_BY_SERVER: Final = "insecure_webhooks"

Kind = TypeVar("Kind")


@attrs.frozen(kw_only=True)
class InstanceTable(ForgeConfig):
    """An entry of ``[[gitea_instances]]`` and ``[[gitlab_instances]]`` where no plugin brings the type."""

    domain: Text
    token: Secret | None = None


FORGE_TABLES: Final[Mapping[str, type[Any] | None]] = {
    GITHUB_APPS: ForgeConfig,
    GITEA_INSTANCES: InstanceTable,
    GITLAB_INSTANCES: InstanceTable,
    GIT_REMOTES: None,
}
"""Classes of the arrays that operators may write, as far as no plugin brings one; None where nothing is known."""


@attrs.frozen
class CacheKeys:
    """What the core reads of an entry of ``[[caches]]``."""

    id: Text
    cache_type: Text
    destination: Text
    credentials: CredentialUse
    permissions: Permissions = Permissions()
    allow_untrusted: bool = False
    closure: bool = True
    fixed_output_only: bool = False
    max_concurrent_pushes: Annotated[int, within(1, 64)] = 2


@attrs.frozen
class CacheEntry:
    """An entry of ``[[caches]]``.

    Attributes:
        at: its address, ``caches[0]``.
        id: what repositories call it.
        cache_type: the name of its type.
        destination: where its type pushes to.
        credentials: where its secrets come from.
        permissions: who may push.
        allow_untrusted: it takes what people built who may not write to the repository, and forks.
        closure: with an output it gets all that this refers to.
        fixed_output_only: it gets outputs of fixed-output derivations alone.
        max_concurrent_pushes: so many pushes at once.
        settings: its other keys, as written, for its type.
        config: of the type's own class; None where no plugin brings the type.
    """

    at: str
    id: str
    cache_type: str
    destination: str = attrs.field(repr=without_user_info)
    credentials: CredentialUse
    permissions: Permissions
    allow_untrusted: bool
    closure: bool
    fixed_output_only: bool
    max_concurrent_pushes: int
    settings: Mapping[str, Any]
    config: CacheConfig | None = attrs.field(default=None, repr=False)  # its destination may hold a password

    @property
    def further_credentials(self) -> Mapping[str, CredentialUse]:
        """Those of the type's own keys, such as ``signing_key``."""
        if self.config is None:
            return {}
        values = {field.name: getattr(self.config, field.name) for field in attrs.fields(type(self.config))}
        return {name: each for name, each in values.items() if isinstance(each, CredentialUse) and name != _CREDENTIALS}

    def with_credentials(self, meant: Callable[[CredentialUse, str], CredentialUse]) -> CacheEntry:
        """Return it with what its credentials mean, which ``meant`` says of each and the address of its table."""
        use = meant(self.credentials, self.at)
        further = {name: meant(each, self.at) for name, each in self.further_credentials.items()}
        changed: dict[str, Any] = {_CREDENTIALS: use, **further}
        config = self.config and attrs.evolve(self.config, **changed)
        return attrs.evolve(self, credentials=use, config=config)


@attrs.frozen
class ForgeEntry:
    """An entry of the array of a type of forge.

    Attributes:
        at: its address, ``github_apps[0]``.
        table: the name of the array.
        config: of the type's own class; where no plugin brings the type, of what the core knows of it.
        written: its keys as written, secrets hidden.
    """

    at: str
    table: str
    config: ForgeConfig
    written: Mapping[str, Any]


@attrs.define
class Entries:
    """Structures tables one by one and keeps every fault."""

    converter: Converter
    faults: list[Located] = attrs.field(factory=list)

    def caches(self, raw: object, types: Mapping[str, type[Any] | None]) -> tuple[CacheEntry, ...]:
        """Structure ``[[caches]]``; ``types`` are the classes of their tables by type, None where it is not known."""
        known = {field.name for field in attrs.fields(CacheKeys)}
        entries = []
        for at, table in self._tables("caches", raw):
            kind = table.get("cache_type")
            if isinstance(kind, str) and kind not in types:
                what = f'expected {one_of(*sorted(types)).words}, got "{shown_key(kind)}"'
                self._fault(address(at, "cache_type"), what)
            keys = self._structured({key: table[key] for key in table if key in known}, CacheKeys, at)
            rest = {key: table[key] for key in table if key not in known}
            config = self._cache_config(table, rest, types.get(kind) if isinstance(kind, str) else None, at)
            if keys is not None:
                values = {name: getattr(keys, name) for name in known}
                entries.append(CacheEntry(at, **values, settings=rest, config=config))
        return tuple(entries)

    def hooks(self, name: str, raw: object) -> tuple[HookEntry, ...]:
        """Structure ``[[post_build_hooks]]``, or the other of `HOOK_TABLES`."""
        entries = []
        for at, table in self._tables(name, raw):
            keys = self._structured(table, HookKeys, at)
            if keys is not None:
                given = {field.name: getattr(keys, field.name) for field in attrs.fields(HookKeys)}
                entries.append(HookEntry(**given, at=at, fod=name == HOOK_TABLES[1]))
        return tuple(entries)

    def forges(self, name: str, raw: object, kind: type[Any] | None) -> tuple[ForgeEntry, ...]:
        """Structure the array ``name``."""
        entries = []
        for at, table in self._tables(name, raw):
            if _SET_BY_SERVER in table:
                self._fault(address(at, _SET_BY_SERVER), "it is set by security.allow_insecure_webhooks")
                continue
            for key in _NEEDED.get(name, ()):
                if not table.get(key):
                    self._fault(at, f'the key "{key}" is missing')
            common = {field.name for field in attrs.fields(ForgeConfig)}
            keys = table if kind else {key: table[key] for key in table if key in common}
            config = self._structured(keys, kind or ForgeConfig, at)
            if config is not None:
                entries.append(ForgeEntry(at, name, config, table))
        return tuple(entries)

    def _cache_config(
        self, table: Mapping[str, Any], rest: Mapping[str, Any], kind: type[Any] | None, at: str
    ) -> CacheConfig | None:
        if kind is None:
            return None
        shared = {field.name: table[field.name] for field in attrs.fields(CacheConfig) if field.name in table}
        already = tuple(self.faults)
        config = self._structured({**shared, **rest}, kind, at)
        # What both classes read has been complained of once.
        self.faults = [*already, *(fault for fault in self.faults[len(already) :] if fault not in already)]
        return config

    def _tables(self, name: str, raw: object) -> Sequence[tuple[str, Mapping[str, Any]]]:
        if not isinstance(raw, list):
            self._fault(name, f"expected tables, written [[{name}]]")
            return ()
        tables = [(address(name, index), table) for index, table in enumerate(raw)]
        for at, table in tables:
            if not isinstance(table, Mapping):
                self._fault(at, f"expected a table, written [[{name}]]")
        found = [(at, hide_secrets(table)) for at, table in tables if isinstance(table, Mapping)]
        self._only_once((at, table.get("id")) for at, table in found)
        return found

    def _structured(self, value: Any, kind: type[Kind], at: str) -> Kind | None:
        try:
            return self.converter.structure(value, kind)
        except (WrongValue, WrongMembers, cattrs.ClassValidationError) as error:
            self.faults += locate(named(error), at=at)
            return None

    def _only_once(self, ids: Iterable[tuple[str, object]]) -> None:
        seen: dict[str, str] = {}
        for at, name in ids:
            if not isinstance(name, str):
                continue
            if name in seen:
                self._fault(address(at, "id"), f'{seen[name]} has the id "{shown_key(name)}" already')
            seen.setdefault(name, at)

    def _fault(self, at: str, what: str) -> None:
        self.faults.append(Located(at, what, at))

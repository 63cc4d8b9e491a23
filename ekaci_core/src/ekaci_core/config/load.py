"""From a file, variables and options to the server's configuration, with all faults at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import cattrs
from cattrs import Converter

from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.bounds import BuildingSettings
from ekaci_core.config.convert import Located, WrongValue, address, locate, named, shown_key, strict_converter
from ekaci_core.config.credential_sources import for_app, register_credentials
from ekaci_core.config.default_paths import data_home, socket_places
from ekaci_core.config.entries import GITHUB_APPS, CacheEntry, Entries, ForgeEntry
from ekaci_core.config.given import Given, overlay
from ekaci_core.config.hiding import register_secrets
from ekaci_core.config.hooks import HOOK_TABLES, HookEntry, hook_faults, names_no_path
from ekaci_core.config.implicit import add_implicit
from ekaci_core.config.machine_file import MachineFile, read_machine_file
from ekaci_core.config.machines import forbidden_machines
from ekaci_core.config.permissions import odd_permissions, register_permissions
from ekaci_core.config.problems import ConfigurationProblems, Problem
from ekaci_core.config.references import References
from ekaci_core.config.rules import register_rules
from ekaci_core.config.schema import table_keys
from ekaci_core.config.server import ServerConfig
from ekaci_core.config.server_parts import GraphSettings, GraphTiers, SecuritySettings
from ekaci_core.config.server_shape import ServerShape
from ekaci_core.config.shapes import Shapes
from ekaci_core.config.suggest import did_you_mean
from ekaci_core.config.variables import given_by_variables

DO: Final = "see docs/reference/server-configuration.md; `ekaci config check FILE` judges a file"
CALLBACK_PATH: Final = "/github/auth/callback"

_ARRAYS: Final = ("caches", "builders", *HOOK_TABLES)
_SAME_NAME: Final = (
    "require_approval",
    "merge_queue_require_approval",
    "default_merge_method",
    "max_failed_check_runs",
    "shutdown_grace_seconds",
    "repository_weights",
    "review_as_merged",
    "web",
    "security",
    "eval",
    "rebuild",
    "retention",
)


def read_server_config(
    environment: Mapping[str, str],
    *,
    file: Path | None = None,
    flags: Sequence[Given] = (),
    shapes: Shapes | None = None,
) -> ServerConfig:
    """Read the file that is named, or else where `read_machine_file` looks, and the rest.

    Raises:
        UsageFault: the file cannot be read, or something in it, a variable or an option cannot be used
            (`ConfigurationProblems`, with every fault).
    """
    return server_config(read_machine_file(environment, file), environment, flags, shapes)


def server_config(
    file: MachineFile, environment: Mapping[str, str], flags: Sequence[Given] = (), shapes: Shapes | None = None
) -> ServerConfig:
    """Put a configuration together. Options win over variables, these over the file, and that over defaults.

    Args:
        file: what was read.
        environment: variables that stand for keys, and those that say where a person's files are.
        flags: what the command line says.
        shapes: what plugins bring; None for what the core knows of types.

    Raises:
        ConfigurationProblems: it cannot be used; names every fault, each with its address and place.
    """
    return _Loading(file, environment, shapes or Shapes()).load(flags)


def server_converter(shapes: Shapes) -> Converter:
    """Make the strict converter that knows secrets, paths, rules, credential sources and permissions."""
    converter = strict_converter(table="a table")
    register_rules(converter)
    register_secrets(converter)
    register_permissions(converter)
    register_credentials(converter, shapes.sources)
    return converter


class _Loading:
    def __init__(self, file: MachineFile, environment: Mapping[str, str], shapes: Shapes) -> None:
        self._file = file
        self._environment = environment
        self._shapes = shapes
        self._converter = server_converter(shapes)
        self._places = file.places
        self._faults: list[Problem] = []
        self._warnings: list[Problem] = []

    def load(self, flags: Sequence[Given]) -> ServerConfig:
        contents = self._contents(flags)
        shape = self._shape(contents)
        entries = Entries(self._converter)
        caches = entries.caches(contents.get("caches", []), self._shapes.caches)
        forges = [
            entry
            for name, kind in self._shapes.forges.items()
            for entry in entries.forges(name, contents.get(name, []), kind)
        ]
        hooks = [each for name in HOOK_TABLES for each in entries.hooks(name, contents.get(name, []))]
        self._complain([*entries.faults, *hook_faults(hooks, [each.id for each in caches])])
        self._notice(contents)
        self._notice_hooks(hooks)
        result = attrs.evolve(self._complete(shape or ServerShape(), caches, forges), hooks=tuple(hooks))
        if shape is not None:  # otherwise nobody knows what is allowed
            self._complain(forbidden_machines(result))
        if self._faults:
            raise ConfigurationProblems(self._file.origin, sorted(self._faults, key=self._places.line), do=DO)
        return attrs.evolve(result, warnings=tuple(sorted(self._warnings, key=self._places.line)))

    def _contents(self, flags: Sequence[Given]) -> dict[str, Any]:
        values, faults = given_by_variables(self._environment)
        self._faults += faults
        written = copy.deepcopy(dict(self._file.contents))
        contents, faults, warnings = overlay(written, [*values, *flags], self._places)
        self._faults += faults + add_implicit(contents, self._environment, self._places)
        self._complain(self._file.placed.faults)
        self._warnings += [self._problem(each) for each in self._file.placed.warnings] + warnings
        return contents

    def _shape(self, contents: Mapping[str, Any]) -> ServerShape | None:
        fields = [field.name for field in attrs.fields(ServerShape)]
        arrays = (*_ARRAYS, *self._shapes.forges)
        for key in contents.keys() - {*fields, *arrays}:
            what = f'unknown key "{shown_key(key)}"{did_you_mean(key, (*fields, *arrays))}'
            self._complain([Located("", what, address("", key))])
        try:
            return self._converter.structure({key: contents[key] for key in fields if key in contents}, ServerShape)
        except (WrongValue, cattrs.ClassValidationError) as error:
            self._complain(locate(named(error)))
            return None

    def _complete(self, shape: ServerShape, caches: Sequence[CacheEntry], forges: Sequence[ForgeEntry]) -> ServerConfig:
        references = References.to(forges)
        callback = shape.oauth.redirect_url or shape.web.url + CALLBACK_PATH
        login = shape.oauth.credentials and references.follow(shape.oauth.credentials, "oauth")
        caches = [each.with_credentials(references.follow) for each in caches]
        forges = [_served(each, references, shape.security) for each in forges]
        self._complain(references.faults)
        return ServerConfig(
            file=self._file,
            db_path=self._path("db_path", shape.db_path, "sqlite.db"),
            logs_dir=self._path("logs_dir", shape.logs_dir, "build-logs"),
            workspace_root=self._path("workspace_root", shape.workspace_root, "workspaces"),
            socket_path=self._socket(shape.unix.socket_path),
            oauth=attrs.evolve(shape.oauth, redirect_url=callback, credentials=login),
            building=BuildingSettings(**_fields_of(shape, BuildingSettings)),
            graph=GraphSettings(**_fields_of(shape.graph, GraphTiers), lru_capacity=shape.graph_lru_capacity),
            caches=tuple(caches),
            forges=tuple(forges),
            warnings=(),
            places=self._places,
            **{name: getattr(shape, name) for name in _SAME_NAME},
        )

    def _path(self, key: str, written: Path | None, name: str) -> Path:
        home = data_home(self._environment)
        if written is not None:
            return written
        if home is None:
            self._faults.append(Problem(key, "neither XDG_DATA_HOME nor HOME says where it is: set it"))
        return (home or Path("/")) / name

    def _socket(self, written: Path | None) -> Path:
        places = socket_places(self._environment)
        if written is None and not places:
            self._faults.append(
                Problem("unix.socket_path", "neither XDG_RUNTIME_DIR nor HOME says where it is: set it")
            )
        return written or (*places, Path("/"))[0]

    def _notice(self, contents: Mapping[str, Any]) -> None:
        for name in ("caches", *HOOK_TABLES, *self._shapes.forges):
            tables = contents.get(name, [])
            for index, table in enumerate(tables if isinstance(tables, list) else ()):
                odd = odd_permissions(table) if isinstance(table, Mapping) else None
                if odd is not None:
                    at = f"{address(name, index)}.permissions"
                    self._warnings.append(self._problem(Located(at, odd, at)))
        if self._places.origin("web.bundle_path") is not None:
            what = "nothing reads it: the pages come with EkaCI"
            self._warnings.append(self._problem(Located("web.bundle_path", what, "web.bundle_path")))

    def _notice_hooks(self, hooks: Iterable[HookEntry]) -> None:
        for entry in hooks:
            at = address(entry.at, "command")
            if (odd := names_no_path(entry.command)) is not None:
                self._warnings.append(self._problem(Located(at, odd, at)))

    def _complain(self, found: Iterable[Located]) -> None:
        self._faults += [self._problem(each) for each in found]

    def _problem(self, found: Located) -> Problem:
        what = found.what
        key = found.spot.removeprefix(f"{found.at}.")
        if what.startswith("unknown key") and found.at and key in table_keys()[""]:
            what = f'unknown key "{key}"; it belongs to the top: write it above all tables'
        return Problem(found.at, what, self._places.nearest(found.spot))


def _served(entry: ForgeEntry, references: References, security: SecuritySettings) -> ForgeEntry:
    """Give an entry what it has from the rest of the configuration."""
    use = entry.config.credentials
    config = attrs.evolve(
        entry.config,
        credentials=use and _meant(references.follow(use, entry.at), entry.table),
        webhook_secret=entry.config.webhook_secret or security.webhook_secret,
        insecure_webhooks=security.allow_insecure_webhooks,
    )
    return attrs.evolve(entry, config=config)


def _fields_of(value: Any, kind: type[Any]) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in attrs.fields(kind)}


def _meant(use: CredentialUse, table: str) -> CredentialUse:
    return for_app(use) if table == GITHUB_APPS else use

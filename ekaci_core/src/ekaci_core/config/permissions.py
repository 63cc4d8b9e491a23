"""``permissions`` of caches and forges."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from cattrs import Converter

from ekaci_core.config.rules import Glob
from ekaci_core.model.policy import Permissions


@attrs.frozen
class PermissionsShape:
    """As it is written. ``allow_all`` left out is false as soon as there is a list."""

    allow_all: bool | None = None
    allowed_repos: tuple[Glob, ...] = ()
    allowed_branches: tuple[Glob, ...] = ()


def register_permissions(converter: Converter) -> None:
    """Make a converter know `Permissions`."""
    converter.register_structure_hook(Permissions, lambda value, _: _permissions(value, converter))


def _permissions(value: object, converter: Converter) -> Permissions:
    if isinstance(value, Permissions):
        return value
    shape = converter.structure(value, PermissionsShape)
    lists = shape.allowed_repos or shape.allowed_branches
    allow_all = not lists if shape.allow_all is None else shape.allow_all
    return Permissions(allow_all, shape.allowed_repos, shape.allowed_branches)


def odd_permissions(table: Mapping[str, object]) -> str | None:
    """Say what somebody may not expect of a table's ``permissions``; None where there is nothing."""
    written = table.get("permissions")
    if not isinstance(written, Mapping):
        return None
    lists = [name for name in ("allowed_repos", "allowed_branches") if written.get(name)]
    shown = " and ".join(lists)
    match written.get("allow_all"):
        case None if lists:
            return f"allow_all is taken as false, as there is {shown}; write it"
        case True if lists:
            return f"beside allow_all = true, {shown} {'means' if len(lists) == 1 else 'mean'} nothing"
        case False if not lists:
            return "it allows nothing: allow_all is false, and no list says what is allowed"
        case _:
            return None

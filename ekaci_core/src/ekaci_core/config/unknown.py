"""Unknown keys, for files where they are only worth a warning."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from ekaci_core.config.convert import address, shown_key
from ekaci_core.config.suggest import did_you_mean


def without_unknown_keys(value: Any, kind: Any, *, at: str = "") -> tuple[Any, tuple[str, ...]]:
    """Leave out the keys that ``kind`` does not know, and name each with its address.

    Values of unexpected types stay as they are: telling of those is the converter's part.
    """
    warnings: list[str] = []
    return _known(value, kind, at, warnings), tuple(warnings)


def _known(value: Any, kind: Any, at: str, warnings: list[str]) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        inner = [part for part in get_args(kind) if part is not type(None)]
        return _known(value, inner[0], at, warnings) if len(inner) == 1 else value
    if isinstance(value, Mapping) and attrs.has(kind):
        return _known_fields(value, kind, at, warnings)
    if isinstance(value, Mapping) and get_origin(kind) is Mapping:
        return {key: _known(item, get_args(kind)[1], address(at, key), warnings) for key, item in value.items()}
    if isinstance(value, list) and get_origin(kind) is tuple:
        return [_known(item, get_args(kind)[0], address(at, index), warnings) for index, item in enumerate(value)]
    return value


def _known_fields(value: Mapping[str, Any], kind: Any, at: str, warnings: list[str]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    kept = {}
    for key, item in value.items():
        if key in hints:
            kept[key] = _known(item, hints[key], address(at, key), warnings)
        else:
            where = f"{at}: " if at else ""
            warnings.append(f'{where}unknown key "{shown_key(key)}" is ignored{did_you_mean(key, hints)}')
    return kept

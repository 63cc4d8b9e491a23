"""The JSON lines of nix-eval-jobs, from 0.0.6 on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ekaci_core.model.errors import BadName
from ekaci_core.model.evaluation import (
    META_KEYS,
    AttributeFault,
    EvaluatedAttribute,
    EvaluatedItem,
    FaultKind,
    NullAttribute,
)
from ekaci_core.model.ids import AttrPath, DrvPath, StorePath, System
from ekaci_core.nix.eval_errors import Home, read_error


def parse_line(line: str, home: Home) -> EvaluatedItem | None:  # noqa: PLR0911 - a list of shapes
    """Parse one line; None if it is not one of nix-eval-jobs.

    Null attributes are lines with nothing but the attribute. Older versions lose the attribute of some errors.

    Raises:
        InfrastructureFault: the line speaks of an error of the machine.
    """
    try:
        said = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    attr = _attr(said)
    if isinstance(said.get("error"), str):
        error = read_error(said["error"], home)
        return AttributeFault(attr, error.kind, error.message, error.position)
    if attr is None:
        return None
    if "drvPath" not in said:
        return NullAttribute(attr) if said.keys() <= {"attr", "attrPath"} else None
    try:
        return _attribute(attr, said, home)
    except (BadName, TypeError, AttributeError) as bad:
        return AttributeFault(attr, FaultKind.ERROR, f"error: nix-eval-jobs described it in an unknown way: {bad}")


def kept_meta(meta: object, home: Home) -> Mapping[str, Any] | None:
    """Keep the keys that are reported, without those that are null, the position relative to the checkout."""
    if not isinstance(meta, Mapping):
        return None
    kept = {key: meta[key] for key in META_KEYS if meta.get(key) is not None}
    if isinstance(kept.get("position"), str):
        kept["position"] = home.relative(kept["position"])
    return kept or None


def output_path(value: object) -> StorePath | None:
    """Return an output's path; None where it is not known before the build."""
    if not isinstance(value, str) or not value.startswith("/"):
        return None
    try:
        return StorePath.parse(value)
    except BadName:
        return None


def _attr(said: Mapping[str, Any]) -> AttrPath | None:
    path = said.get("attrPath")
    if isinstance(path, list) and all(isinstance(part, str) for part in path):
        return AttrPath.of(path)
    attr = said.get("attr")
    return AttrPath(attr) if isinstance(attr, str) else None


def _attribute(attr: AttrPath, said: Mapping[str, Any], home: Home) -> EvaluatedAttribute:
    return EvaluatedAttribute(
        attr=attr,
        drv=DrvPath.parse(said["drvPath"]),
        name=str(said.get("name", "")),
        system=System.parse(str(said.get("system", ""))),
        outputs={name: output_path(path) for name, path in (said.get("outputs") or {}).items()},
        meta=kept_meta(said.get("meta"), home),
    )

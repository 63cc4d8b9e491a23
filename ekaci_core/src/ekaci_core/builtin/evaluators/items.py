"""From what a worker reports to items of the result. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ekaci_core.model.errors import BadName
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem, FaultKind
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.nix.eval_errors import Home
from ekaci_core.nix.eval_jobs import kept_meta, output_path

_TYPES: Final = {
    "lambda": "a function",
    "int": "an integer",
    "float": "a float",
    "bool": "a Boolean",
    "string": "a string",
    "path": "a path",
    "list": "a list",
}


def not_a_package(attr: AttrPath, type_name: str) -> AttributeFault:
    """Describe an attribute that is neither derivation nor set nor null; the name is that of ``builtins.typeOf``."""
    what = _TYPES.get(type_name, f"a {type_name}")
    return AttributeFault(attr, FaultKind.NOT_A_PACKAGE, f"error: attribute '{attr}' is {what}, which is not supported")


def evaluated(attr: AttrPath, drv: list[Any], meta: Mapping[str, Any], home: Home) -> EvaluatedItem:
    """Make the item of a derivation from ``[drvPath, name, system, outputs, pname, version]`` and its meta."""
    drv_path, name, system, outputs, pname, version = drv
    try:
        return EvaluatedAttribute(
            attr=attr,
            drv=DrvPath.parse(str(drv_path)),
            name=str(name),
            system=System.parse(str(system)),
            outputs={key: output_path(value) for key, value in outputs.items()},
            meta=kept_meta(meta, home),
            pname=pname if isinstance(pname, str) else None,
            version=version if isinstance(version, str) else None,
        )
    except BadName as bad:
        return AttributeFault(attr, FaultKind.ERROR, f"error: {bad.what}")

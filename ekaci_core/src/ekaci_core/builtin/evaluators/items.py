"""From what a worker reports to items of the result. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ekaci_core.model.errors import BadName
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem, FaultKind, UnchangedAttribute
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.nix.eval_errors import Home
from ekaci_core.nix.eval_jobs import kept_meta, output_path

_DIGEST_BYTES: Final = 16
_POSITION: Final = '"position":"'
_DECODER: Final = json.JSONDecoder()
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


def report_of(text: str) -> tuple[int, str, str]:
    """Take apart what worker.nix says behind the number of a command: index, kind, and a JSON list of the rest."""
    index, _, said = text.partition(",")
    kind, comma, rest = said.partition(",")
    return int(index), kind.strip('"]'), f"[{rest}" if comma else "[]"


def evaluated(
    attr: AttrPath, drv: str, meta: str, home: Home, earlier: Mapping[AttrPath, bytes] = MappingProxyType({})
) -> EvaluatedItem:
    """Make the item of a derivation.

    Args:
        attr: its attribute.
        drv: JSON of ``[drvPath, name, system, outputs, pname, version]``.
        meta: JSON of ``[meta]``.
        home: the names of the checkout.
        earlier: fingerprints of an earlier evaluation; where it is the same, next to nothing is decoded.
    """
    fingerprint = fingerprint_of(drv, meta, home)
    try:
        if fingerprint is not None and earlier.get(attr) == fingerprint:
            return UnchangedAttribute(attr, DrvPath.parse(str(_DECODER.raw_decode(drv, 1)[0])))
        drv_path, name, system, outputs, pname, version = json.loads(drv)
        return EvaluatedAttribute(
            attr=attr,
            drv=DrvPath.parse(str(drv_path)),
            name=str(name),
            system=System.parse(str(system)),
            outputs={key: output_path(value) for key, value in outputs.items()},
            meta=kept_meta(json.loads(meta)[0], home),
            pname=pname if isinstance(pname, str) else None,
            version=version if isinstance(version, str) else None,
            fingerprint=fingerprint,
        )
    except BadName as bad:
        return AttributeFault(attr, FaultKind.ERROR, f"error: {bad.what}")


def fingerprint_of(drv: str, meta: str, home: Home) -> bytes | None:
    """Digest what was said of a derivation, wherever the checkout is; None if only decoding it could tell.

    What is left out is exactly what `kept_meta` leaves out: the checkout at the beginning of the position. It reads a
    position otherwise where the checkout is named elsewhere as well.
    """
    names, beginnings = _written(home)
    for beginning in beginnings:
        meta = meta.replace(beginning, _POSITION)
    if any(name in meta for name in names):
        return None
    return hashlib.blake2b(f"{drv}\n{meta}".encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


@lru_cache(maxsize=16)
def _written(home: Home) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = tuple(json.dumps(path, ensure_ascii=False)[1:-1] for path in home.paths)
    # A quote inside a string is escaped, so this can only be found where a key is.
    return names, tuple(f"{_POSITION}{name}/" for name in names)

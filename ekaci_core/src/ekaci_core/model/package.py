"""Package metadata, from the loose forms that Nix expressions use to one shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import attrs


@attrs.frozen
class PackageMeta:
    """The part of ``meta`` that comparison and reports use, normalised.

    ``licenses`` and ``maintainers`` are sorted labels without duplicates: SPDX id, else short name, else full name;
    GitHub login, else name, else e-mail address. ``unfree`` follows from a licence that says it is not free where the
    evaluator does not report it.
    """

    licenses: tuple[str, ...] = ()
    maintainers: tuple[str, ...] = ()
    position: str | None = None
    broken: bool = False
    insecure: bool = False
    unfree: bool = False
    description: str | None = None
    homepage: str | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any] | None) -> Self:
        """Read what an evaluator reports; anything of an unexpected type counts as absent."""
        raw = raw or {}
        return cls(
            licenses=_labels(raw.get("license"), ("spdxId", "shortName", "fullName"), "<unknown licence>"),
            maintainers=_labels(raw.get("maintainers"), ("github", "name", "email"), "<unnamed maintainer>"),
            position=_text(raw.get("position")),
            broken=raw.get("broken") is True,
            insecure=raw.get("insecure") is True,
            unfree=raw.get("unfree") is True or ("unfree" not in raw and _is_unfree(raw.get("license"))),
            description=_text(raw.get("description")),
            homepage=_text(raw.get("homepage")),
        )


def _labels(value: Any, keys: tuple[str, ...], unknown: str) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(sorted({_label(entry, keys, unknown) for entry in entries}))


def _label(entry: Any, keys: tuple[str, ...], unknown: str) -> str:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, Mapping):
        for key in keys:
            if isinstance(entry.get(key), str) and entry[key]:
                return str(entry[key])
    return unknown


def _is_unfree(value: Any) -> bool:
    entries = value if isinstance(value, list) else [value]
    return any(isinstance(entry, Mapping) and entry.get("free") is False for entry in entries)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

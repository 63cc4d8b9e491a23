"""Every single key of the server's configuration, with what people may write for it."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

import attrs

from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.convert import WrongValue, expected
from ekaci_core.config.rules import Rule, is_annotated
from ekaci_core.config.server_shape import ServerShape
from ekaci_core.model.secret import Secret

_YES: Final = ("1", "true", "yes", "on")
_NO: Final = ("0", "false", "no", "off")
_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "absolute path",
    Secret: "secret",
    CredentialUse: "credential source",
}


@attrs.frozen
class Setting:
    """A key.

    Attributes:
        key: its address, ``web.port``.
        kind: its type, without None and rules.
        rules: what its value must keep to.
        default: its default; None where something else decides.
    """

    key: str
    kind: Any
    rules: tuple[Rule, ...]
    default: Any

    @property
    def words(self) -> str:
        """Its type in words."""
        if get_origin(self.kind) is tuple:
            inner, rules = _plain(get_args(self.kind)[0])
            return f"list; each {rules[0].words if rules else _WORDS[inner]}"
        for rule in self.rules:
            if rule.names_type or self.kind is str:
                return rule.words
        return ", ".join([_WORDS[self.kind], *(rule.words for rule in self.rules)])

    def read(self, text: str) -> Any:
        """Take the value from a variable or an option; what cannot be one stays text, for the converter to refuse.

        Raises:
            WrongValue: values of this kind are written in the file only.
        """
        if self.kind is bool:
            word = text.strip().casefold()
            return word in _YES if word in (*_YES, *_NO) else expected("true or false", text)
        if self.kind in (int, float):
            return _number(text, self.kind)
        if get_origin(self.kind) is tuple:
            return [part.strip() for part in text.split(",") if part.strip()]
        if self.kind is CredentialUse:
            raise WrongValue("a credential source can be given in the file only")
        return text


@cache
def settings() -> Mapping[str, Setting]:
    """Return every key by its address: those of the top first, then table by table."""
    found = list(_settings(ServerShape, ""))
    return {each.key: each for each in sorted(found, key=lambda each: "." in each.key)}


@cache
def table_keys() -> Mapping[str, frozenset[str]]:
    """Return the keys of each table by its name; those of the top stand under the empty name."""
    tables: dict[str, set[str]] = {}
    for key in settings():
        table, _, name = key.rpartition(".")
        tables.setdefault(table, set()).add(name)
    return {table: frozenset(names) for table, names in tables.items()}


def _settings(kind: type[Any], prefix: str) -> Iterator[Setting]:
    attrs.resolve_types(kind)
    for field in attrs.fields(kind):
        inner, rules = _plain(field.type)
        if attrs.has(inner) and inner is not CredentialUse:
            yield from _settings(inner, f"{prefix}{field.name}.")
        else:
            yield Setting(f"{prefix}{field.name}", inner, rules, field.default)


def _plain(kind: Any) -> tuple[Any, tuple[Rule, ...]]:
    if get_origin(kind) in (Union, types.UnionType):
        return _plain(next(each for each in get_args(kind) if each is not type(None)))
    if is_annotated(kind):
        inner, *rules = get_args(kind)
        return inner, tuple(rules)
    return kind, ()


def _number(text: str, kind: type[Any]) -> Any:
    digits = text.strip()
    if not digits.isascii() or len(digits) > len("1000000000000000"):
        return text
    if digits.removeprefix("-").isdecimal():
        return int(digits)
    try:
        return float(digits) if kind is float else text
    except ValueError:
        return text

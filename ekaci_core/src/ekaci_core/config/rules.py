"""What a value must keep to beyond its type, as an annotation: ``port: Annotated[int, within(0, 65535)]``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin
from urllib.parse import SplitResult, urlsplit

import attrs
from cattrs import Converter

from ekaci_core.config.convert import WrongValue, expected
from ekaci_core.config.hiding import without_user_info

_VARIABLE: Final = re.compile(r"[^=\0]+")


@attrs.frozen
class Rule:
    """A condition.

    Attributes:
        words: what is expected, fit to stand behind "expected" and in a table.
        holds: takes a value of the right type.
        names_type: whether ``words`` say the type too, so that they are said of values of a wrong type as well.
    """

    words: str
    holds: Callable[[Any], bool]
    names_type: bool = False


def register_rules(converter: Converter) -> None:
    """Make a converter obey rules, and know absolute paths."""
    converter.register_structure_hook(Path, lambda value, _: _path(value, converter))
    converter.register_structure_hook_func(is_annotated, lambda value, kind: _checked(value, kind, converter))


def is_annotated(kind: Any) -> bool:
    """Whether a type has rules."""
    origin: object = get_origin(kind)
    return origin is Annotated


def within(low: int, high: int) -> Rule:
    """A whole number between two, both included."""
    return Rule(f"a whole number from {low} to {high}", lambda value: low <= value <= high, names_type=True)


def at_least(low: int) -> Rule:
    """A number that is not smaller."""
    return Rule(f"at least {low}", lambda value: value >= low)


def one_of(*words: str) -> Rule:
    """One of a few words."""
    quoted = [f'"{word}"' for word in words]
    return Rule(f"{', '.join(quoted[:-1])} or {quoted[-1]}", lambda value: value in words, names_type=True)


def is_web_origin(text: str) -> bool:
    """Whether a text is what a browser sends as ``Origin``: scheme, host, perhaps a port, and nothing else."""
    parts = _split(text)
    if parts is None or parts.username is not None or parts.password is not None:
        return False
    return parts.path in ("", "/") and not ({"?", "#", "*"} & set(text))


def is_web_address(text: str) -> bool:
    """Whether a text is an absolute ``http`` or ``https`` address without a name or password in it."""
    parts = _split(text)
    return parts is not None and parts.username is None and parts.password is None


def _split(text: str) -> SplitResult | None:
    if not text.isprintable() or " " in text:
        return None
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # brackets without an address in them, or no such port
        return None
    return parts if usable else None


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


Text = Annotated[str, Rule("text of printable characters", lambda text: bool(text) and text.isprintable())]
VariableName = Annotated[str, Rule("the name of an environment variable", lambda text: bool(_VARIABLE.fullmatch(text)))]
"""Whatever a process can have in its environment, not only what a shell can set."""
IpAddress = Annotated[str, Rule('an IP address such as "127.0.0.1"', _is_ip_address, names_type=True)]
WebOrigin = Annotated[str, Rule('a web origin such as "https://ci.example.org", without a path', is_web_origin)]
WebAddress = Annotated[str, Rule('an address such as "https://ci.example.org/path"', is_web_address)]
Glob = Annotated[str, Rule('a pattern such as "release/*"', lambda text: bool(text) and text.isprintable())]


def _path(value: object, converter: Converter) -> Path:
    if isinstance(value, Path):
        return value
    text: str = converter.structure(value, str)
    if not text.startswith("/") or "\0" in text:
        expected("an absolute path", text)
    return Path(text)


def _checked(value: object, kind: Any, converter: Converter) -> Any:
    inner, *rules = get_args(kind)
    try:
        structured = converter.structure(value, inner)
    except WrongValue:
        for rule in rules:
            if rule.names_type:
                expected(rule.words, value)
        raise
    for rule in rules:
        if not rule.holds(structured):
            expected(rule.words, without_user_info(value) if isinstance(value, str) else value)
    return structured

"""Whether what a hook returned is a type as the contract asks."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final, Protocol, cast

import attrs

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class RegisteredType(Protocol):
    """What the types of every kind have in common."""

    @property
    def name(self) -> str:
        """The word that configuration uses."""
        ...

    @property
    def config(self) -> type[Any]:
        """The attrs class of its configuration."""
        ...


def registered(value: object) -> RegisteredType | str:
    """Return the value as a type, or a phrase that says why it is none."""
    if isinstance(value, type):
        return f"{value.__name__} is a class; an instance of it is wanted"
    shown = type(value).__name__
    name = getattr(value, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{shown} has no usable name: {name!r} (small letters, digits, single dashes)"
    config = getattr(value, "config", None)
    if not isinstance(config, type) or not attrs.has(config):
        return f"{shown} {name}: config is {config!r}, not an attrs class"
    opener = getattr(value, "open", None)
    if not callable(opener):
        return f"{shown} {name}: has no method open"
    if inspect.iscoroutinefunction(opener) or inspect.isasyncgenfunction(opener):
        return f"{shown} {name}: open must return an async context manager (@asynccontextmanager makes one)"
    return cast("RegisteredType", value)

"""What a file of secrets says: JSON, or lines ``KEY=VALUE``. Pure; nothing of the text stands in a message."""

from __future__ import annotations

import json
import re
from typing import Final

from ekaci_core.api import Secret

_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.\-]*)\s*=(.*)", re.DOTALL)
_PEM_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]+-----")
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]+-----")
_QUOTES: Final = "\"'"


class NotKeyValues(ValueError):
    """The text is neither form; says in which line, and not what stands there."""


def parse_key_values(text: str) -> dict[str, Secret]:
    """Read an object of JSON, or lines ``KEY=VALUE`` with comments (``#``), quotes, and values of several lines.

    A value that begins a PEM block goes on to the block's end, and one in quotes to the closing quote.

    Raises:
        NotKeyValues: it is neither.
    """
    stripped = text.lstrip("\ufeff \t\r\n")
    return _from_json(stripped) if stripped.startswith("{") else _from_lines(text.lstrip("\ufeff"))


def _from_json(text: str) -> dict[str, Secret]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotKeyValues(f"it begins like JSON and is none{line}") from None
    secrets = {}
    for key, value in found.items():
        if isinstance(value, bool | float) or not isinstance(value, str | int):
            raise NotKeyValues(f"{key!r} is neither a text nor a whole number")
        secrets[key] = Secret(str(value))
    return secrets


def _from_lines(text: str) -> dict[str, Secret]:
    secrets: dict[str, Secret] = {}
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line, number = lines[at], at + 1
        at += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise NotKeyValues(f"line {number} is not KEY=VALUE")
        key, value = match[1], match[2].strip()
        end = _end_of(value)
        while end is not None and not end.search(value):
            if at == len(lines):
                raise NotKeyValues(f"the value of {key}, which begins in line {number}, has no end")
            value += f"\n{lines[at]}"
            at += 1
        secrets[key] = Secret(_unquoted(value.strip()))
    return secrets


def _end_of(value: str) -> re.Pattern[str] | None:
    """What ends a value that may go on in further lines."""
    if value[:1] in tuple(_QUOTES):
        return re.compile(rf"(?s).+(?<!\\){value[0]}\s*\Z")
    return _PEM_END if _PEM_BEGIN.match(value) else None


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES:
        inner = value[1:-1]
        return inner.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\") if value[0] == '"' else inner
    return value

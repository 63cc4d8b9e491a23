"""JSON from people one need not trust."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from ekaci_core.config.convert import shown_key
from ekaci_core.config.faults import ConfigurationFault

SIZE_LIMIT: Final = 1024 * 1024
"""Bytes; a configuration file larger than this is refused."""

_COMMENT_SIGNS: Final = ("//", "/*", "#")


class _NotANumber(Exception):
    """NaN or Infinity, which Python takes for JSON."""


def parse_json(text: bytes, origin: str) -> Any:
    """Parse JSON as RFC 8259 has it: no NaN, and no key twice in one object.

    Raises:
        ConfigurationFault: it is no such JSON, too large or too deep; says line and column.
    """
    if len(text) > SIZE_LIMIT:
        fault = f"larger than {SIZE_LIMIT} bytes ({len(text)})"
        raise ConfigurationFault(origin, [fault], do="shorten it")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        fault = f"line {line}: not UTF-8 (byte 0x{text[error.start]:02x})"
        raise ConfigurationFault(origin, [fault], do="save it as UTF-8") from None
    if not decoded.strip():
        raise ConfigurationFault(origin, ["the file is empty"], do="write {} for a configuration without settings")
    twice: list[str] = []
    try:
        value = json.loads(decoded, object_pairs_hook=lambda pairs: _object(pairs, twice), parse_constant=_constant)
    except json.JSONDecodeError as error:
        fault = f"line {error.lineno}, column {error.colno}: not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise ConfigurationFault(origin, [fault], do=_advice(decoded, error.pos)) from None
    except RecursionError:
        raise ConfigurationFault(origin, ["nested too deeply"], do="remove the nesting") from None
    except _NotANumber as error:
        raise ConfigurationFault(origin, [f"not JSON: {error} is no number"], do="write a finite number") from None
    except ValueError:  # Python's guard against numbers of thousands of digits
        raise ConfigurationFault(origin, ["a number has too many digits"], do="write a shorter one") from None
    if twice:
        faults = [f'the key "{shown_key(key)}" stands twice in one object' for key in dict.fromkeys(twice)]
        raise ConfigurationFault(origin, faults, do="keep one of the two")
    return value


def _object(pairs: Sequence[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                twice.append(key)
            seen.add(key)
    return members


def _constant(name: str) -> NoReturn:
    raise _NotANumber(name)


def _advice(text: str, position: int) -> str:
    if text.startswith(_COMMENT_SIGNS, position):
        return "remove the comment: JSON has none"
    if text[position : position + 1] in ("}", "]") and text[:position].rstrip().endswith(","):
        return "remove the comma in front of it"
    # Newer Pythons point at the comma itself.
    if text[position : position + 1] == "," and text[position + 1 :].lstrip().startswith(("}", "]")):
        return "remove the comma"
    return "correct the syntax there"

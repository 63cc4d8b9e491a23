"""Variables in the words of a command, put in without any shell: ``$NAME``, ``${NAME}``, and ``$$`` for a dollar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ekaci_core.model.secret import Secret

MOST_SUBSTITUTIONS: Final = 1024
"""In one word."""

LONGEST_WORD: Final = 1024 * 1024
"""Bytes of a word, and of a whole command, once the variables are in."""

OUT_PATHS: Final = "OUT_PATHS"

_DOLLAR: Final = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\}|)")
_ALL_PATHS: Final = (f"${OUT_PATHS}", f"${{{OUT_PATHS}}}")


class BadWord(ValueError):
    """A word of a command in which the variables cannot be put; says why."""


def expand(command: Sequence[str], variables: Mapping[str, str | Secret], paths: Sequence[str] = ()) -> tuple[str, ...]:
    """Put variables into the words of a command.

    Args:
        command: its words. One that is nothing but ``$OUT_PATHS`` becomes a word for each path.
        variables: by name. A secret is never put in, as everybody on the machine reads the commands of processes.
        paths: what ``$OUT_PATHS`` stands for on its own.

    Raises:
        BadWord: a variable is unknown or a secret, a dollar stands alone, or it comes to too much.
    """
    words: list[str] = []
    size = 0
    for word in command:
        found = list(paths) if word in _ALL_PATHS else [_expanded(word, variables)]
        size += sum(len(each.encode(errors="surrogateescape")) + 1 for each in found)
        if size > LONGEST_WORD:
            raise BadWord(f"the command has more than {LONGEST_WORD} bytes with its variables in it")
        words += found
    return tuple(words)


def variables_in(word: str) -> Iterator[str]:
    """Name the variables in a word.

    Raises:
        BadWord: a dollar stands alone.
    """
    for found in _DOLLAR.finditer(word):
        if found.group() == "$":
            raise BadWord(f"a dollar stands alone in {_shown(word)}: write $$ for one that is meant as it is")
        if name := found[2] or found[3]:
            yield name


def _expanded(word: str, variables: Mapping[str, str | Secret]) -> str:
    parts: list[str] = []
    at = size = 0
    for count, found in enumerate(_DOLLAR.finditer(word), 1):
        if count > MOST_SUBSTITUTIONS:
            raise BadWord(f"there are more than {MOST_SUBSTITUTIONS} dollars in {_shown(word)}")
        value = "$" if found[1] else _value(word, found[2] or found[3], variables)
        size += len(value)
        if size > LONGEST_WORD:  # before it is put together: a thousand times a long one is very long
            raise BadWord(f"{_shown(word)} has more than {LONGEST_WORD} bytes with its variables in it")
        parts += word[at : found.start()], value
        at = found.end()
    parts.append(word[at:])
    return "".join(parts)


def _value(word: str, name: str | None, variables: Mapping[str, str | Secret]) -> str:
    if not name:
        raise BadWord(f"a dollar stands alone in {_shown(word)}: write $$ for one that is meant as it is")
    if name not in variables:
        raise BadWord(f"there is no variable {name}")
    value = variables[name]
    if isinstance(value, Secret):
        raise BadWord(f"{name} is a secret and goes into no command: programs read it from their environment")
    return value


def _shown(word: str) -> str:
    return repr(word if len(word) <= 60 else f"{word[:57]}...")  # noqa: PLR2004 - fits into a line

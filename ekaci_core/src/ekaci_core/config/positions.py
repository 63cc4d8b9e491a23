"""On which line of a TOML file a key stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from ekaci_core.config.convert import address

_TOKEN: Final = re.compile(
    r"""
    (?P<blank>[ \t\r]+ | \#[^\n]*)
  | (?P<newline>\n)
  | (?P<quoted>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
  | (?P<sign>[\[\]{}=,])
  | (?P<word>[^\s\[\]{}=,\#"']+)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_LETTERS: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b"}


def key_lines(text: str) -> Mapping[str, int]:
    """Find the line, counted from 1, of every key and table by its address, as `address` writes them.

    Args:
        text: TOML that a parser has accepted; of anything else the answer means nothing.
    """
    return _Reader(list(_tokens(text))).read()


@attrs.frozen
class _Token:
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield _Token(match.lastgroup or "", match.group(), line)
        line += match.group().count("\n")


@attrs.define
class _Reader:
    _tokens: list[_Token]
    _next: int = 0
    _lines: dict[str, int] = attrs.field(factory=dict)
    _arrays: dict[str, int] = attrs.field(factory=dict)

    def read(self) -> dict[str, int]:
        table = ""
        while (token := self._peek()) is not None:
            if token.kind == "newline":
                self._next += 1
            elif token.text == "[" and token.kind == "sign":
                table = self._header(token.line)
            else:
                self._pair(table)
        return self._lines

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _sign(self) -> str:
        """The sign that comes next; empty where none does."""
        token = self._peek()
        return token.text if token is not None and token.kind in ("sign", "newline") else ""

    def _header(self, line: int) -> str:
        self._next += 1
        repeated = self._sign() == "["
        self._next += repeated
        parts = self._key()
        while self._sign() == "]":
            self._next += 1
        where = self._join("", parts[:-1], line)
        where = address(where, parts[-1]) if parts else where
        if repeated:
            self._lines.setdefault(where, line)
            self._arrays[where] = self._arrays.get(where, -1) + 1
            where = address(where, self._arrays[where])
        self._lines.setdefault(where, line)
        return where

    def _key(self) -> list[str]:
        parts: list[str] = []
        while (token := self._peek()) is not None and token.kind in ("word", "quoted", "other"):
            self._next += 1
            parts += [_unquoted(token.text)] if token.kind == "quoted" else [p for p in token.text.split(".") if p]
        return parts

    def _join(self, where: str, parts: list[str], line: int) -> str:
        for part in parts:
            where = address(where, part)
            self._lines.setdefault(where, line)
            if where in self._arrays:
                where = address(where, self._arrays[where])
        return where

    def _pair(self, table: str) -> None:
        token = self._peek()
        parts = self._key()
        if token is None or self._sign() != "=":
            self._next += 1
            return
        where = self._join(table, parts, token.line)
        self._lines[where] = token.line
        self._next += 1
        self._value(where)

    def _value(self, where: str) -> None:
        match self._sign():
            case "[":
                self._members(where, "]")
            case "{":
                self._members(where, "}")
            case _:
                while (token := self._peek()) is not None and token.kind in ("word", "quoted", "other"):
                    self._next += 1

    def _members(self, where: str, end: str) -> None:
        self._next += 1
        index = 0
        while (token := self._peek()) is not None:
            sign = self._sign()
            if sign == end:
                self._next += 1
                return
            if sign in ("\n", ",", "=", "]", "}") and sign:
                self._next += 1
            elif end == "}":
                self._pair(where)
            else:
                self._lines[address(where, index)] = token.line
                self._value(address(where, index))
                index += 1


def _unquoted(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]
    return _ESCAPE.sub(lambda match: _escaped(match.group(1)), text[1:-1])


def _escaped(what: str) -> str:
    if len(what) > 1:
        return chr(int(what[1:], 16))
    return _LETTERS.get(what, what)

"""Derivation files: the ATerm that Nix writes, to a `Derivation` and back.

Format: https://nix.dev/manual/nix/latest/protocols/derivation-aterm
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from ekaci_core.model.derivation import Derivation, Output
from ekaci_core.model.errors import BadName, InfrastructureFault
from ekaci_core.model.ids import DrvPath, StorePath, System

T = TypeVar("T")

_STRING: Final = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_UNESCAPED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_SPECIAL: Final = re.compile(rb'["\\\n\r\t]')
_ESCAPED: Final = {b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t"}
_DEEPEST: Final = 50  # derivations made by derivations made by ...; a file that nests deeper is not Nix's


class MalformedDerivation(InfrastructureFault):
    """A derivation file that no Nix wrote: cut short by a full disk or a crash, or not a derivation at all."""

    def __init__(self, problem: str, *, where: str | None = None) -> None:
        """Say what is wrong with which file."""
        super().__init__(
            f"malformed derivation: {problem}",
            where=where,
            do="check the store with `nix-store --verify --check-contents`, delete the file with "
            "`nix-store --delete` and run again",
        )


def parse_derivation(text: bytes | str, *, where: str | None = None) -> Derivation:
    """Read a derivation file.

    Bytes that are not UTF-8 become lone surrogates (``surrogateescape``), so that rendering restores them. Of outputs
    that a dynamic derivation is asked for, the model keeps those of the first level only: what must be built first.

    Args:
        text: the file's contents.
        where: the file's name, for errors.

    Raises:
        MalformedDerivation: it is not a derivation; the message says at which byte.
    """
    reader = _Reader(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text, where)
    try:
        return _derivation(reader)
    except BadName as error:
        raise MalformedDerivation(error.what, where=where) from None


def render_derivation(derivation: Derivation) -> bytes:
    """Write a derivation file. What was parsed from a file of Nix's without dynamic inputs comes out byte for byte."""
    outputs = (
        _tuple(map(_quoted, (each.name, each.path or "", each.method_and_algorithm, each.hash)))
        for each in derivation.outputs
    )
    inputs = (_tuple((_quoted(path), _list(map(_quoted, wanted)))) for path, wanted in derivation.input_drvs.items())
    parts = (
        _list(outputs),
        _list(inputs),
        _list(map(_quoted, derivation.input_srcs)),
        _quoted(derivation.system),
        _quoted(derivation.builder),
        _list(map(_quoted, derivation.args)),
        _list(_tuple(map(_quoted, pair)) for pair in derivation.env.items()),
    )
    return b"Derive" + _tuple(parts)


def unescape(raw: bytes) -> str:
    """Decode what stands between the quotes of a string."""
    if b"\\" in raw:
        raw = _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[1]), raw)
    return raw.decode("utf-8", "surrogateescape")


class _Reader:
    """A place in a file; each method reads one thing and moves on."""

    __slots__ = ("at", "data", "where")

    def __init__(self, data: bytes, where: str | None) -> None:
        self.data = data
        self.at = 0
        self.where = where

    def fail(self, expected: str) -> MalformedDerivation:
        found = self.data[self.at : self.at + 20]
        seen = repr(found)[1:] if found else "the end of the file"
        return MalformedDerivation(f"expected {expected} at byte {self.at}, found {seen}", where=self.where)

    def follows(self, word: bytes) -> bool:
        """Read ``word`` if it is next."""
        if self.data.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def expect(self, word: bytes) -> None:
        if not self.follows(word):
            raise self.fail(f"`{word.decode()}`")

    def text(self) -> str:
        match = _STRING.match(self.data, self.at)
        if match is None:
            raise self.fail("a string")
        self.at = match.end()
        return unescape(match[1])

    def list(self, item: Callable[[], T]) -> list[T]:
        self.expect(b"[")
        items: list[T] = []
        if self.follows(b"]"):
            return items
        while True:
            items.append(item())
            if self.follows(b"]"):
                return items
            self.expect(b",")

    def fields(self, count: int) -> tuple[str, ...]:
        """Read a tuple of so many strings."""
        self.expect(b"(")
        found = [self.text()]
        for _ in range(count - 1):
            self.expect(b",")
            found.append(self.text())
        self.expect(b")")
        return tuple(found)


def _derivation(reader: _Reader) -> Derivation:
    if reader.follows(b"DrvWithVersion("):
        version = reader.text()
        if version != "xp-dyn-drv":
            raise MalformedDerivation(f"its format {version!r} is not known", where=reader.where)
        reader.expect(b",")
    else:
        reader.expect(b"Derive(")
    outputs = tuple(reader.list(lambda: _output(reader)))
    reader.expect(b",")
    input_drvs = dict(reader.list(lambda: _input(reader)))
    reader.expect(b",")
    input_srcs = tuple(StorePath.parse(path) for path in reader.list(reader.text))
    reader.expect(b",")
    system = System(reader.text())
    reader.expect(b",")
    builder = reader.text()
    reader.expect(b",")
    args = tuple(reader.list(reader.text))
    reader.expect(b",")
    env = {name: value for name, value in reader.list(lambda: reader.fields(2))}  # noqa: C416 - keeps the pair's type
    reader.expect(b")")
    if reader.at != len(reader.data):
        raise reader.fail("the end")
    return Derivation(outputs, input_drvs, input_srcs, system, builder, args, env)


def _output(reader: _Reader) -> Output:
    name, path, method_and_algorithm, content_hash = reader.fields(4)
    return Output(name, StorePath.parse(path) if path else None, method_and_algorithm, content_hash)


def _input(reader: _Reader) -> tuple[DrvPath, tuple[str, ...]]:
    reader.expect(b"(")
    path = DrvPath.parse(reader.text())
    reader.expect(b",")
    outputs = _wanted(reader, 0)
    reader.expect(b")")
    return path, tuple(outputs)


def _wanted(reader: _Reader, depth: int) -> list[str]:
    """Read the outputs wanted of an input: a list, or with those that are derivations themselves, a pair of lists."""
    if depth > _DEEPEST:
        raise MalformedDerivation(f"dynamic inputs nest deeper than {_DEEPEST}", where=reader.where)
    if not reader.follows(b"("):
        return reader.list(reader.text)
    outputs = reader.list(reader.text)
    reader.expect(b",")
    dynamic = reader.list(lambda: _dynamic(reader, depth + 1))
    reader.expect(b")")
    return sorted({*outputs, *dynamic})


def _dynamic(reader: _Reader, depth: int) -> str:
    reader.expect(b"(")
    output = reader.text()
    reader.expect(b",")
    _wanted(reader, depth)
    reader.expect(b")")
    return output


def _quoted(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    return b'"' + _SPECIAL.sub(lambda match: _ESCAPED.get(match[0], b"\\" + match[0]), raw) + b'"'


def _list(items: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _tuple(items: Iterable[bytes]) -> bytes:
    return b"(" + b",".join(items) + b")"

"""What a plan needs of a derivation file: its outputs, and which outputs of its inputs it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import attrs

from ekaci_core.model.derivation import Output
from ekaci_core.model.errors import BadName
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.nix.aterm import MalformedDerivation, parse_derivation

# Outputs, then inputs, where no string holds an escaped character; names of outputs and paths never do.
_TEXT: Final = rb'"([^"\\]*+)"'
_HEAD: Final = re.compile(
    rb"Derive\(\[((?:\(T,T,T,T\),?+)*+)\],\[((?:\(T,\[(?:T,?+)*+\]\),?+)*+)\],\[".replace(b"T", rb'"[^"\\]*+"')
)
_OUTPUT: Final = re.compile(rb"\(T,T,T,T\)".replace(b"T", _TEXT))
_INPUT: Final = re.compile(rb"\(T,\[([^\]]*+)\]\)".replace(b"T", _TEXT))
_NAME: Final = re.compile(_TEXT)
# Any of these names in the file is reason enough to look closer.
_MARKS: Final = (b"allowSubstitutes", b"__json")


@attrs.frozen
class Recipe:
    """A derivation as a plan sees it. ``may_be_substituted`` is False where its author forbids it."""

    outputs: tuple[Output, ...]
    may_be_substituted: bool
    _inputs: Any = attrs.field(alias="inputs", repr=False)

    def inputs(self) -> Iterator[tuple[DrvPath, frozenset[str]]]:
        """Yield each input, with the names of those of its outputs that are taken; read only when asked for."""
        yield from self._inputs()


def parse_recipe(path: DrvPath, data: bytes) -> Recipe:
    """Read a derivation file.

    Raises:
        MalformedDerivation: it is not a derivation, or of a kind to come.
    """
    head = _HEAD.match(data)
    if head is None:
        whole = parse_derivation(data, where=path)
        taken = {each: frozenset(names) for each, names in whole.input_drvs.items()}
        return Recipe(whole.outputs, _may_be_substituted(whole.env), taken.items)
    try:
        outputs = tuple(_output(*each) for each in _OUTPUT.findall(head[1]))
    except (BadName, UnicodeDecodeError) as error:
        raise MalformedDerivation(str(error), where=path) from None
    allowed = True
    if any(mark in data for mark in _MARKS):
        allowed = _may_be_substituted(parse_derivation(data, where=path).env)
    return Recipe(outputs, allowed, partial(_inputs_in, head[2]))


def _output(name: bytes, path: bytes, method: bytes, content_hash: bytes) -> Output:
    return Output(
        name.decode(), StorePath.parse(path.decode()) if path else None, method.decode(), content_hash.decode()
    )


def _inputs_in(text: bytes) -> Iterator[tuple[DrvPath, frozenset[str]]]:
    for path, names in _INPUT.findall(text):
        yield DrvPath.parse(path.decode()), frozenset(name.decode() for name in _NAME.findall(names))


def _may_be_substituted(env: Any) -> bool:
    structured = env.get("__json")
    if structured is None:
        return bool(env.get("allowSubstitutes", "1") == "1")
    try:
        attributes = json.loads(structured)
    except (ValueError, RecursionError):
        return True
    return not isinstance(attributes, dict) or attributes.get("allowSubstitutes", True) is True

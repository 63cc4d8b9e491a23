from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from ekaci_core.model.derivation import Derivation, Output
from ekaci_core.model.ids import DrvPath, StorePath, System
from ekaci_core.nix.aterm import MalformedDerivation, render_derivation
from ekaci_core.nix.recipes import Recipe, parse_recipe

PATH = DrvPath.parse("0" * 32 + "-it.drv")
INPUT, OTHER = DrvPath.parse("1" * 32 + "-input.drv"), DrvPath.parse("2" * 32 + "-other.drv")
OUT, DOC = Output("out", StorePath.parse("3" * 32 + "-it")), Output("doc", StorePath.parse("4" * 32 + "-it-doc"))


def recipe(env: Mapping[str, str] = MappingProxyType({}), outputs: tuple[Output, ...] = (OUT,)) -> Recipe:
    inputs = {INPUT: ("dev", "out"), OTHER: ("out",)}
    derivation = Derivation(outputs, inputs, (), System("x86_64-linux"), "/bin/sh", (), env)
    return parse_recipe(PATH, render_derivation(derivation))


def test_outputs_and_what_is_taken_of_inputs() -> None:
    read = recipe(outputs=(DOC, OUT))
    assert read.outputs == (DOC, OUT)
    assert dict(read.inputs()) == {INPUT: frozenset({"dev", "out"}), OTHER: frozenset({"out"})}
    assert read.may_be_substituted


def test_outputs_without_a_path() -> None:
    floating = Output("out", None, "r:sha256")
    assert recipe(outputs=(floating,)).outputs == (floating,)


@pytest.mark.parametrize(
    ("env", "allowed"),
    [
        ({"allowSubstitutes": ""}, False),
        ({"allowSubstitutes": "1"}, True),
        ({"allowSubstitutes": "yes"}, False),
        ({"text": "allowSubstitutes"}, True),
        ({"__json": '{"allowSubstitutes":false}'}, False),
        ({"__json": '{"allowSubstitutes":true}'}, True),
        ({"__json": '{"pname":"x"}', "allowSubstitutes": ""}, True),
        ({"__json": "not JSON"}, True),
        ({"__json": "[]"}, True),
        ({"preferLocalBuild": "1"}, True),
    ],
)
def test_whether_it_may_be_substituted(env: dict[str, str], allowed: bool) -> None:  # noqa: FBT001 - it is the case
    assert recipe(env).may_be_substituted is allowed


def test_a_file_with_escapes_in_front_is_read_too() -> None:
    odd = Output("o\\ut", OUT.path)
    read = recipe({"allowSubstitutes": ""}, outputs=(odd,))
    assert read.outputs == (odd,)
    assert dict(read.inputs())[OTHER] == {"out"}
    assert not read.may_be_substituted


@pytest.mark.parametrize("data", [b"", b"Derive(", b'Derive([("out","nowhere","","")],[],[],"s","b",[],[])'])
def test_what_is_no_derivation_is_told(data: bytes) -> None:
    with pytest.raises(MalformedDerivation):
        parse_recipe(PATH, data)

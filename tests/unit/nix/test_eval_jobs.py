from __future__ import annotations

import json
from typing import Any

import pytest

from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, FaultKind, NullAttribute
from ekaci_core.model.ids import AttrPath
from ekaci_core.nix.eval_errors import Home
from ekaci_core.nix.eval_jobs import parse_line

HOME = Home.of(["/srv/tree"])
HASH = "0" * 32
COMPLETE: dict[str, Any] = {
    "attr": 'set."a.b"',
    "attrPath": ["set", "a.b"],
    "drvPath": f"/nix/store/{HASH}-a.drv",
    "name": "a-1",
    "system": "x86_64-linux",
    "outputs": {"out": f"/nix/store/{HASH}-a", "floating": None},
    "meta": {"description": "d", "position": "/srv/tree/a.nix:3", "homepage": None, "longDescription": "l"},
}


def parsed(**changes: Any) -> object:
    return parse_line(json.dumps({**COMPLETE, **changes}), HOME)


def test_a_derivation() -> None:
    item = parsed()
    assert isinstance(item, EvaluatedAttribute)
    assert item.attr == 'set."a.b"'
    assert (item.drv, item.name, item.system) == (f"/nix/store/{HASH}-a.drv", "a-1", "x86_64-linux")
    assert item.outputs == {"out": f"/nix/store/{HASH}-a", "floating": None}
    assert item.meta == {"description": "d", "position": "a.nix:3"}


def test_without_meta_or_outputs() -> None:
    item = parsed(meta=None, outputs=None)
    assert isinstance(item, EvaluatedAttribute)
    assert item.meta is None
    assert item.outputs == {}


def test_an_error() -> None:
    line = json.dumps({"attr": "a", "attrPath": ["a"], "error": "error: no\n\n       at /srv/tree/a.nix:1:2:"})
    expected = AttributeFault(AttrPath("a"), FaultKind.ERROR, "error: no\n\n       at a.nix:1:2:", "a.nix:1:2")
    assert parse_line(line, HOME) == expected


def test_an_error_that_lost_its_attribute() -> None:
    item = parse_line('{"error": "error: undefined variable \'x\'"}', HOME)
    assert isinstance(item, AttributeFault)
    assert item.attr is None


def test_a_null_attribute() -> None:
    assert parse_line('{"attr": "a", "attrPath": ["a"]}', HOME) == NullAttribute(AttrPath("a"))


@pytest.mark.parametrize("line", ["", "garbage", "[]", "42", "{}", '{"attr": 1}', '{"attr": "a", "what": "else"}', "{"])
def test_what_is_no_line_of_it(line: str) -> None:
    assert parse_line(line, HOME) is None


@pytest.mark.parametrize("changes", [{"drvPath": "/elsewhere"}, {"system": "no system"}, {"outputs": [1]}])
def test_a_derivation_that_cannot_be_one(changes: dict[str, Any]) -> None:
    item = parsed(**changes)
    assert isinstance(item, AttributeFault)
    assert item.attr == 'set."a.b"'


def test_ten_megabytes_in_one_line() -> None:
    item = parsed(meta={"description": "x" * 10_000_000})
    assert isinstance(item, EvaluatedAttribute)
    assert item.meta is not None
    assert len(item.meta["description"]) == 10_000_000

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.builtin.evaluators.items import evaluated, fingerprint_of, report_of
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem, UnchangedAttribute
from ekaci_core.model.ids import STORE_DIR, AttrPath
from ekaci_core.model.package import PackageMeta
from ekaci_core.nix.eval_errors import Home

A = AttrPath("a")
DRV_PATH = f"{STORE_DIR}/{'0' * 32}-a.drv"
ONE, TWO = Home.of(["/srv/one/set", "/run/one/set"]), Home.of(["/srv/two/set", "/srv/two"])
ODD = Home.of(['/srv/a "quoted"/set'])


def text_of(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def drv(version: str = "1", path: str = DRV_PATH) -> str:
    return text_of([path, "a", "x86_64-linux", {"out": None}, "a", version])


def item(meta: Any, home: Home = ONE, of: str | None = None) -> EvaluatedAttribute:
    made = evaluated(A, of or drv(), text_of([meta]), home)
    assert isinstance(made, EvaluatedAttribute)
    return made


def stored(item: EvaluatedAttribute) -> object:
    """What of an item comes into the store."""
    return attrs.evolve(item, fingerprint=None, meta=None), PackageMeta.from_json(item.meta)


def test_the_place_of_the_checkout_does_not_count() -> None:
    one = item({"description": "x", "position": "/srv/one/set/a.nix:1"})
    two = item({"description": "x", "position": "/srv/two/set/a.nix:1"}, TWO)
    assert one == two
    assert one.fingerprint is not None
    assert len(one.fingerprint) == 16
    assert (
        item({"position": '/srv/a "quoted"/set/a.nix:1'}, ODD).fingerprint == item({"position": "a.nix:1"}).fingerprint
    )


@pytest.mark.parametrize(
    "other",
    [
        item({"description": "x", "position": "/run/one/set/a.nix:2"}),
        item({"description": "y", "position": "/run/one/set/a.nix:1"}),
        item({"description": "x"}),
        item({"description": "x", "position": "/run/one/set/a.nix:1"}, of=drv("2")),
        item({"description": "x", "position": "/run/one/set/a.nix:1"}, of=drv(path=DRV_PATH.replace("0", "1"))),
    ],
)
def test_everything_else_does(other: EvaluatedAttribute) -> None:
    same = item({"description": "x", "position": "/srv/one/set/a.nix:1"})
    assert item({"description": "x", "position": "/run/one/set/a.nix:1"}).fingerprint == same.fingerprint
    assert other.fingerprint not in (None, same.fingerprint)


def test_metadata_that_names_the_checkout_elsewhere_has_none() -> None:
    for meta in (
        {"description": "see /srv/one/set/a.nix"},
        {"position": "/srv/one/set/a.nix:/srv/one/set/b.nix"},
        {"position": "/srv/one/set:1"},
        {"homepage": "file:///run/one/set"},
    ):
        assert item(meta).fingerprint is None


_NAMES = st.sampled_from(
    [
        "/srv/one/set",
        "/run/one/set",
        "/srv/two/set",
        "/srv/two",
        "/",
        "a.nix:1",
        '"position":"',
        '\\"position\\":\\"',
        "é",
    ]
)
_TEXTS = st.lists(_NAMES, max_size=4).map("".join)
_METAS = st.fixed_dictionaries({}, optional={"position": _TEXTS, "description": _TEXTS, "license": _TEXTS})
_HOMES = st.sampled_from([ONE, TWO, ODD])


@given(_METAS, _HOMES, _METAS, _HOMES)
def test_equal_fingerprints_are_of_what_is_stored_alike(meta: Any, home: Home, other: Any, elsewhere: Home) -> None:
    for one, two in ((item(meta, home), item(other, elsewhere)), (item(meta, home), item(meta, elsewhere))):
        if one.fingerprint is not None and one.fingerprint == two.fingerprint:
            assert stored(one) == stored(two)


def again(meta: str, of: str, earlier: dict[AttrPath, bytes]) -> EvaluatedItem:
    return evaluated(A, of, meta, ONE, earlier)


def test_what_is_as_before_is_not_decoded() -> None:
    broken = '[{"description":}]'
    fingerprint = fingerprint_of(drv(), broken, ONE)
    assert fingerprint is not None
    assert again(broken, drv(), {A: fingerprint}) == UnchangedAttribute(A, item({}).drv)
    for earlier in ({}, {A: b"other"}, {AttrPath("b"): fingerprint}):
        with pytest.raises(ValueError, match="Expecting value"):
            again(broken, drv(), earlier)


def test_a_path_that_is_none_is_a_fault() -> None:
    assert isinstance(again("[{}]", drv(path="/nowhere"), {}), AttributeFault)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (["null"], (7, "null", [])),
        (["other", "int"], (7, "other", ["int"])),
        (["set", ["a,b", "c]"]], (7, "set", [["a,b", "c]"]])),
        (["drv", DRV_PATH, "a"], (7, "drv", [DRV_PATH, "a"])),
    ],
)
def test_a_report_is_taken_apart(content: list[Any], expected: tuple[int, str, list[Any]]) -> None:
    index, kind, text = report_of(text_of([7, *content])[1:])
    assert (index, kind, json.loads(text)) == expected

"""What every evaluator does when an earlier evaluation is at hand; part of the conformance of evaluators."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.model.evaluation import EvaluatedAttribute, EvaluatedItem, UnchangedAttribute
from ekaci_core.model.ids import AttrPath
from ekaci_core.testing.evaluator_laboratory import PRELUDE, Items, Laboratory

UNCHANGED: Final = frozenset({"same", "bare", "set.same", "shared"})
"""The packages of `two_trees` whose items are equal; those with a fingerprint can be unchanged."""


def two_trees(lab: Laboratory) -> tuple[Path, Path]:
    """Write a tree and one that differs from it, in another place, and return where they are."""
    salt = uuid.uuid4().hex
    template = f"""let
      at = line: "${{toString ./.}}/job.nix:${{toString line}}";
      of = name: meta: with_ "${{name}}-{salt}" {{ inherit meta; pname = name; version = "1"; }};
    in {{
      same = of "same" {{ position = at 1; description = "the \\"position\\":\\"x\\" of ü"; license.free = false; }};
      bare = mk "bare-{salt}";
      shared = of "same" {{ position = at 9; }};
      set = recurse {{ same = of "set" {{ position = at 2; maintainers = [ {{ github = "me"; }} ]; }}; }};
      moved = of "moved" {{ position = at (LINE); }};
      meta = of "meta" {{ position = at 4; description = "SIDE"; }};
      drv = of "drv-SIDE" {{ position = at 5; }};
      version = with_ "version-{salt}" {{ version = "SIDE"; }};
      named = of "named" {{ position = at 6; description = at 6; }};
      comes = GONE; goes = COMES;
      swapped = of "SIDE" {{ }}; swapper = of "OTHER" {{ }};
      bad = of "bad" {{ description = throw "no"; }};
      nothing = null;
    }}"""
    sides = {
        "one": {"LINE": "3", "SIDE": "one", "OTHER": "two", "GONE": "null", "COMES": 'of "change" { }'},
        "two": {"LINE": "33", "SIDE": "two", "OTHER": "one", "GONE": 'of "change" { }', "COMES": "null"},
    }
    for side, values in sides.items():
        text = template
        for word, value in values.items():
            text = text.replace(word, value)
        root = _place(lab, side)
        root.mkdir(parents=True)
        (root / "job.nix").write_text(PRELUDE + text)
    return _place(lab, "one"), _place(lab, "two")


def _place(lab: Laboratory, name: str) -> Path:
    return lab.root.parent / name / lab.root.name


def fingerprints(items: Items) -> dict[AttrPath, bytes]:
    """Return the fingerprints that there are."""
    return {
        item.attr: item.fingerprint
        for item in items.values()
        if isinstance(item, EvaluatedAttribute) and item.fingerprint is not None
    }


class EarlierConformance:
    """An evaluation of nearly the same."""

    async def test_equal_fingerprints_are_of_equal_attributes(self, lab: Laboratory) -> None:
        one, two = [await lab.evaluate(root=root) for root in two_trees(lab)]
        before, after = fingerprints(one), fingerprints(two)
        for attr in before.keys() & after.keys():
            if before[attr] == after[attr]:
                assert _plain(one[attr]) == _plain(two[attr]), attr
        assert {attr for attr in before if before[attr] == after.get(attr)} <= UNCHANGED

    async def test_only_what_is_unchanged_is_reported_so(self, lab: Laboratory) -> None:
        first, second = two_trees(lab)
        one, two = await lab.evaluate(root=first), await lab.evaluate(root=second)
        roots = lab.root.parent / "roots-of-it"
        roots.mkdir()
        found = await lab.evaluate(root=second, earlier=fingerprints(one), gc_roots=roots, workers=2)
        assert found.keys() == two.keys()
        for attr, item in found.items():
            if isinstance(item, UnchangedAttribute):
                assert _plain(one[attr]) == _plain(two[attr]), attr
                assert item.drv == getattr(two[attr], "drv", None)
            else:
                assert item == two[attr]
            if isinstance(item, EvaluatedAttribute | UnchangedAttribute):
                held = await lab.query("--roots", item.drv)
                assert any(root.startswith(str(roots)) for root in held), f"{item.attr} is not protected"

    async def test_the_same_again_in_another_place(self, lab: Laboratory) -> None:
        first, _ = two_trees(lab)
        one = await lab.evaluate(root=first)
        made = fingerprints(one)
        other = first.parent.rename(lab.root.parent / "three")
        found = await lab.evaluate(root=other / lab.root.name, earlier={AttrPath("long-gone"): b"", **made})
        assert found.keys() == one.keys()
        assert {attr for attr, item in found.items() if isinstance(item, UnchangedAttribute)} <= made.keys()


def _plain(item: EvaluatedItem) -> EvaluatedItem:
    return attrs.evolve(item, fingerprint=None) if isinstance(item, EvaluatedAttribute) else item

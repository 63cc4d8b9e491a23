from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from ekaci_core.evaluation.keys import evaluation_key, resolved_nix_path
from ekaci_core.model.ids import System, TreeHash
from ekaci_core.model.repository import Job, SizeCheck

JOB = Job("packages", "ci.nix", attr_path="set")
GIVEN: Mapping[str, Any] = {
    "tree": TreeHash("a" * 40),
    "job": JOB,
    "evaluator": "nix 2.8.0",
    "source_name": "repository",
    "own_system": System("x86_64-linux"),
}


def test_a_key_names_what_was_evaluated() -> None:
    key = evaluation_key(**GIVEN)
    assert (key.tree, key.job, key.file, key.attr_path) == ("a" * 40, "packages", "ci.nix", "set")
    assert (key.evaluator, key.source_name) == ("nix 2.8.0", "repository")


@pytest.mark.parametrize(
    "other",
    [
        {"tree": TreeHash("b" * 40)},
        {"job": attrs.evolve(JOB, file="default.nix")},
        {"job": attrs.evolve(JOB, attr_path=None)},
        {"job": attrs.evolve(JOB, flake=True)},
        {"job": attrs.evolve(JOB, name="other")},
        {"evaluator": "nix 2.9.0"},
        {"source_name": "elsewhere"},
        {"own_system": System("aarch64-linux")},
        {"system": System("x86_64-linux")},
        {"attr_globs": ["a*"]},
        {"nix_path": ["nixpkgs=/nix/store/x"]},
        {"settings": "others"},
        {"person": "somebody else"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_all_that_decides_the_result_makes_another_key(other: Mapping[str, Any]) -> None:
    assert evaluation_key(**{**GIVEN, **other}) != evaluation_key(**GIVEN)


def test_what_only_concerns_the_verdict_makes_no_other_key() -> None:
    job = attrs.evolve(JOB, allow_eval_failures=True, caches=("one",), size_check=SizeCheck(5))
    assert evaluation_key(**{**GIVEN, "job": job}) == evaluation_key(**GIVEN)


def test_the_order_of_globs_is_of_no_account_and_that_of_the_path_is() -> None:
    def globs(*given: str) -> object:
        return evaluation_key(**GIVEN, attr_globs=given)

    def path(*given: str) -> object:
        return evaluation_key(**GIVEN, nix_path=given)

    assert globs("a", "b") == globs("b", "a", "b")
    assert path("a=/nix/store/x", "b=/nix/store/y") != path("b=/nix/store/y", "a=/nix/store/x")


def test_an_entry_stands_for_where_it_leads() -> None:
    def resolve(path: str) -> str:
        return {"/channels/nixpkgs": "/nix/store/abc-nixpkgs/nixpkgs"}[path]

    entries = resolved_nix_path(["nixpkgs=/channels/nixpkgs", "/channels/nixpkgs"], resolve=resolve)
    assert entries == ("nixpkgs=/nix/store/abc-nixpkgs/nixpkgs", "/nix/store/abc-nixpkgs/nixpkgs")


def test_an_entry_that_is_not_there_is_the_same_until_it_is(tmp_path: Path) -> None:
    entry = f"nixpkgs={tmp_path}/channel"
    assert resolved_nix_path([entry]) == resolved_nix_path([entry])
    before = resolved_nix_path([entry])
    (tmp_path / "channel").mkdir()
    assert resolved_nix_path([entry]) != before


@pytest.mark.parametrize("entry", ["nixpkgs={here}", "{here}", "nixpkgs=https://example.org/n.tar.gz", "flake:nixpkgs"])
def test_what_may_change_without_a_trace_is_never_the_same(entry: str, tmp_path: Path) -> None:
    written = entry.format(here=tmp_path)
    first, second = (resolved_nix_path([written]) for _ in range(2))
    assert first != second
    assert first[0].startswith(f"{written}#")

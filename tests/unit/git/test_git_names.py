"""Names of revisions and of checkouts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.git.names import checked_ref, near_names, short_ref, source_name
from ekaci_core.model.errors import UsageFault


@pytest.mark.parametrize("ref", ["main", "HEAD~1", "v1.0^{commit}", "@{1 day ago}", "feature/x", ":/message", "grün"])
def test_names_that_git_understands_pass(ref: str) -> None:
    assert checked_ref(ref) == ref


@pytest.mark.parametrize("ref", ["-x", "--output=/etc/passwd", "", " ", "\t", "a\nb", "a\0b", "a\x7fb"])
def test_names_that_git_would_take_for_something_else_do_not(ref: str) -> None:
    with pytest.raises(UsageFault) as caught:
        checked_ref(ref)
    assert caught.value.do


@pytest.mark.parametrize(
    ("ref", "known", "near"),
    [
        ("mian", ["main", "topic"], ("main",)),
        ("main", ["origin/main", "upstream/main"], ("origin/main", "upstream/main")),
        ("Main", ["main"], ("main",)),
        ("zzz", ["main"], ()),
        ("main", [], ()),
        ("topik", ["origin/topic", "main"], ("origin/topic",)),
        ("a", ["x/a", "y/a", "z/a", "w/a"], ("w/a", "x/a", "y/a")),
    ],
)
def test_near_names(ref: str, known: list[str], near: tuple[str, ...]) -> None:
    assert near_names(ref, known) == near


def test_full_refs_are_shortened_as_people_write_them() -> None:
    assert short_ref("refs/remotes/origin/main") == "origin/main"
    assert short_ref("refs/heads/feature/x") == "feature/x"
    assert short_ref("HEAD") == "HEAD"


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("nixpkgs", "nixpkgs"),
        ("eka-ci.git", "eka-ci"),
        (".git", "git"),
        ("my repo", "my-repo"),
        ("ünï", "n-"),
        ("日本", "source"),
        ("", "source"),
        ("...", "source"),
    ],
)
def test_names_of_checkouts(directory: str, name: str) -> None:
    assert source_name(directory) == name


@given(st.text())
def test_nix_takes_every_name_of_a_checkout(directory: str) -> None:
    # https://nix.dev/manual/nix/latest/store/store-path; leading dots are refused by older versions
    assert re.fullmatch(r"[0-9A-Za-z+\-_?=][0-9A-Za-z+\-._?=]{0,210}", source_name(directory))

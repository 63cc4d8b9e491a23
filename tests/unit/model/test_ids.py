from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.errors import BadName
from ekaci_core.model.ids import AttrPath, CommitSha, DrvPath, StorePath, System, TreeHash

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
SHA1 = "0123456789abcdef0123456789abcdef01234567"


def test_a_store_path_knows_its_parts() -> None:
    path = StorePath.parse(f"/nix/store/{HASH}-hello-2.12")
    assert (path.base_name, path.hash_part, path.name) == (f"{HASH}-hello-2.12", HASH, "hello-2.12")
    assert StorePath.parse(path.base_name) == path
    assert StorePath.parse(f"/elsewhere/store/{HASH}-x") == f"/elsewhere/store/{HASH}-x"
    assert type(pickle.loads(pickle.dumps(path))) is StorePath  # noqa: S301 - our own


def test_a_derivation_path_is_a_store_path_whose_name_has_no_ending() -> None:
    path = DrvPath.parse(f"{HASH}-hello-2.12.drv")
    assert (path, path.name) == (f"/nix/store/{HASH}-hello-2.12.drv", "hello-2.12")
    assert isinstance(path, StorePath)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        f"/nix/store/{HASH}",
        f"/nix/store/{HASH}-",
        f"/nix/store/{HASH[1:]}-short",
        f"/nix/store/{'e' * 32}-letter-that-nix-does-not-use",
        f"/nix/store/{HASH}-x/bin",
        f"/nix/store/{HASH}-a b",
        f"/nix/store/{HASH}-a\n",
        f"/nix/store/{HASH}-{'x' * 212}",
        f"nix/store/{HASH}-relative",
        f"../{HASH}-above",
        f"/nix/store/{HASH}-caf\u00e9",
    ],
)
def test_what_is_no_store_path_is_refused(text: str) -> None:
    with pytest.raises(BadName, match="not a store path"):
        StorePath.parse(text)
    with pytest.raises(BadName):
        DrvPath.parse(f"{text}.drv" if text.endswith("x/bin") else text)


def test_a_long_text_is_shown_cut() -> None:
    with pytest.raises(BadName) as raised:
        StorePath.parse("x" * 10_000)
    assert len(str(raised.value)) < 160
    assert raised.value.exit_status == 2


@pytest.mark.parametrize("text", [f"/nix/store/{HASH}-hello", f"/nix/store/{HASH}-.drv.txt", ".drv", "hello.drv"])
def test_what_is_no_derivation_path_is_refused(text: str) -> None:
    with pytest.raises(BadName):
        DrvPath.parse(text)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["a"], "a"),
        (["a", "b-c", "d'"], "a.b-c.d'"),
        (["texlivePackages", "texlive.infra"], 'texlivePackages."texlive.infra"'),
        (["a b"], '"a b"'),
        (['say "hi"', "back\\slash"], '"say \\"hi\\""."back\\\\slash"'),
        ([""], '""'),
        (["a", "", "b"], 'a."".b'),
        ([], ""),
    ],
)
def test_attribute_paths_are_quoted_where_they_must_be(parts: list[str], text: str) -> None:
    path = AttrPath.of(parts)
    assert path == text
    assert path.parts == tuple(parts)


@given(st.lists(st.text(st.one_of(st.sampled_from('."\\ \n$'), st.characters(codec="utf-8")), max_size=6), max_size=4))
def test_any_attribute_path_comes_apart_as_it_was_joined(parts: list[str]) -> None:
    assert AttrPath.of(parts).parts == tuple(parts)


@given(st.lists(st.text(max_size=4), max_size=3), st.lists(st.text(max_size=4), max_size=3))
def test_different_attribute_paths_have_different_texts(one: list[str], other: list[str]) -> None:
    assert (AttrPath.of(one) == AttrPath.of(other)) == (one == other)


def test_commits_are_full_names() -> None:
    assert CommitSha.parse(SHA1).short == "0123456789ab"
    assert len(TreeHash.parse(SHA1 + "0" * 24)) == 64
    for text in ("", SHA1[:-1], SHA1.upper(), SHA1 + "0", "HEAD", SHA1 + "\n"):
        with pytest.raises(BadName, match="not a commit"):
            CommitSha.parse(text)


def test_systems_may_be_any_platform_but_not_any_text() -> None:
    for text in ("x86_64-linux", "builtin", "armv7l-linux", "x86_64-v3-linux"):
        assert System.parse(text) == text
    for text in ("", "x86 linux", "a/b", "x" * 65, "linux\n"):
        with pytest.raises(BadName, match="not a system"):
            System.parse(text)

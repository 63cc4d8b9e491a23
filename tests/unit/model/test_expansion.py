"""Variables in commands, without a shell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.expansion import LONGEST_WORD, MOST_SUBSTITUTIONS, BadWord, expand, variables_in
from ekaci_core.model.hook import LONGEST_HOOK_NAME, is_hook_name, is_hook_variable
from ekaci_core.model.secret import Secret

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
PATHS = ("/nix/store/a", "/nix/store/b")


@given(TEXTS)
def test_what_has_no_dollar_stays_as_it_is(text: str) -> None:
    word = text.replace("$", "")
    assert expand([word], {}) == (word,)


@given(TEXTS)
def test_doubled_dollars_are_dollars(text: str) -> None:
    assert expand([text.replace("$", "$$")], {}) == (text,)


@given(st.lists(st.tuples(TEXTS, NAMES, TEXTS, st.booleans()), min_size=1, max_size=8), TEXTS)
def test_values_are_put_in_as_they_are(parts: list[tuple[str, str, str, bool]], end: str) -> None:
    """Whatever stands in a value: it is no second time looked at, and it is never cut into words."""
    variables = {name: value for _, name, value, _ in parts}
    word = "".join(f"{before.replace('$', '$$')}${{{name}}}" for before, name, _, _ in parts) + end.replace("$", "$$")
    wanted = "".join(f"{before}{variables[name]}" for before, name, _, _ in parts) + end
    assert expand([word], variables) == (wanted,)
    assert list(variables_in(word)) == [name for _, name, _, _ in parts]


@given(TEXTS)
def test_no_word_does_anything_but_expand_or_be_refused(word: str) -> None:
    try:
        (made,) = expand([word], {"A": "value", "B": ""})
    except BadWord:
        made = None
    assert made == word or "$" in word


@given(NAMES, TEXTS)
def test_an_unknown_variable_is_named(name: str, before: str) -> None:
    with pytest.raises(BadWord, match=f"no variable {name}$"):
        expand([before.replace("$", "") + f"${{{name}}}"], {})


def test_names_end_where_no_more_of_a_name_comes() -> None:
    assert expand(["$A-$B.x", "${A}B", "$AB$$C"], {"A": "1", "B": "2", "AB": "3"}) == ("1-2.x", "1B", "3$C")


def test_paths_are_a_word_each_where_they_stand_alone_and_one_text_elsewhere() -> None:
    variables = {"OUT_PATHS": " ".join(PATHS)}
    assert expand(["push", "$OUT_PATHS", "end"], variables, PATHS) == ("push", *PATHS, "end")
    assert expand(["${OUT_PATHS}"], variables, PATHS) == PATHS
    assert expand(["--paths=$OUT_PATHS"], variables, PATHS) == ("--paths=/nix/store/a /nix/store/b",)
    assert expand(["$OUT_PATHS"], variables, ()) == ()


@pytest.mark.parametrize("word", ["$", "a$", "$1", "$ A", "${", "${A", "${}", "${A-b}", "$(id)", "$$$"])
def test_a_dollar_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(BadWord, match=r"a dollar stands alone in .*write"):
        expand([word], {"A": "1"})


def test_a_secret_goes_into_no_command() -> None:
    with pytest.raises(BadWord, match="TOKEN is a secret") as raised:
        expand(["--token=$TOKEN"], {"TOKEN": Secret("hunter2-hunter2")})
    assert "hunter2" not in str(raised.value)


def test_what_comes_to_too_much_is_refused() -> None:
    assert expand(["$A" * MOST_SUBSTITUTIONS], {"A": "x"}) == ("x" * MOST_SUBSTITUTIONS,)
    for command, variables, paths in (
        (["$A" * (MOST_SUBSTITUTIONS + 1)], {"A": ""}, ()),
        (["$A" * MOST_SUBSTITUTIONS], {"A": "x" * 1025}, ()),
        (["x" * (LONGEST_WORD // 2 + 1)] * 2, {}, ()),
        (["$A"], {"A": "\u20ac" * (LONGEST_WORD // 2)}, ()),
        (["$OUT_PATHS"], {}, ["x" * 1023] * 1025),
    ):
        with pytest.raises(BadWord, match="more than"):
            expand(command, variables, paths)


def test_names_of_hooks_are_names_of_files() -> None:
    for name in ("push", "push-to_cache.2", "9", "A" * LONGEST_HOOK_NAME):
        assert is_hook_name(name)
    for name in ("", ".", "..", ".push", "-push", "a/b", "a b", "a\n", "ä", "A" * (LONGEST_HOOK_NAME + 1)):
        assert not is_hook_name(name)


def test_hooks_set_no_variable_that_they_are_given() -> None:
    assert is_hook_variable("AWS_PROFILE")
    for name in ("OUT_PATHS", "EKA_REPO", "PATH", "HOME", "A=B", "1A", "", "A\n", "A" * 201):
        assert not is_hook_variable(name)

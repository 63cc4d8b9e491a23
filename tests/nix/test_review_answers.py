"""Whether the answer of `ekaci review` holds: what is remembered, and what nothing can be said of."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Finished, ReviewedRepository

pytestmark = pytest.mark.nix

PACKAGE = (
    'let package = name: text: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh";'
    ' args = [ "-c" "${text}; : SALT" ]; }; good = name: package name "echo > $out"; in '
)


def of_two_commits(repository: ReviewedRepository, base: str, head: str, name: str = "default.nix") -> None:
    """Commit an expression on ``main`` and another on a branch. ``good`` and ``package`` make derivations in them."""
    salt = uuid.uuid4().hex
    repository.commit("Base", {name: PACKAGE.replace("SALT", salt) + base})
    repository.git("switch", "--quiet", "--create", "change")
    repository.commit("Head", {name: PACKAGE.replace("SALT", salt) + head + "\n# head\n"})


def evaluations(finished: Finished) -> list[str]:
    return [line for line in finished.stderr.splitlines() if "known from before" in line]


def test_a_setting_of_nix_that_changes_the_result_is_seen(empty_repository: ReviewedRepository) -> None:
    of_two_commits(
        empty_repository,
        '{ a = good "a-1"; }',
        '{ a = good (if builtins ? fetchClosure then "a-2" else throw "no fetchClosure"); }',
    )
    assert empty_repository.review("--format", "json").status == 1
    again = empty_repository.review("--format", "json")
    assert again.status == 1
    assert len(evaluations(again)) == 2
    more = empty_repository.environment["NIX_CONFIG"] + "\nextra-experimental-features = fetch-closure"

    finished = empty_repository.review("--format", "json", environment={"NIX_CONFIG": more})

    assert finished.status == 0, finished.stdout
    assert evaluations(finished) == []


def test_the_configuration_of_nixpkgs_is_seen(empty_repository: ReviewedRepository, tmp_path: Path) -> None:
    home = tmp_path / "person"
    config = home / ".config/nixpkgs/config.nix"
    config.parent.mkdir(parents=True)
    config.write_text('{ version = "1"; }')
    read = '{ a = good "a-${(import (builtins.getEnv "HOME" + "/.config/nixpkgs/config.nix")).version}"; }'
    of_two_commits(empty_repository, read, f'{read} // {{ b = good "b"; }}')
    person = {"HOME": str(home)}

    def errors() -> int:
        document = empty_repository.review("--no-build", "--format", "json", environment=person).document
        found: int = document["counts"]["errors_head"]
        return found

    assert errors() == 0
    config.write_text('{ version = throw "not for you"; }')
    assert errors() == 1


def test_an_evaluation_can_be_made_afresh(empty_repository: ReviewedRepository) -> None:
    of_two_commits(empty_repository, '{ a = good "a-1"; }', '{ a = good "a-2"; }')
    assert empty_repository.review().status == 0
    assert len(evaluations(empty_repository.review())) == 2

    finished = empty_repository.review("--fresh")

    assert finished.status == 0
    assert evaluations(finished) == []
    assert len(evaluations(empty_repository.review())) == 2


ENDLESS = "let f = n: if n < 2 then 1 else f (n - 1) + f (n - 2); in toString (f 90)"


def test_an_evaluation_that_never_ends_speaks_against_the_change(empty_repository: ReviewedRepository) -> None:
    of_two_commits(empty_repository, '{ a = good "a"; b = good "b"; }', f'{{ a = good ({ENDLESS}); b = good "b"; }}')

    finished = empty_repository.review("--eval-timeout", "2", "--format", "json")

    assert finished.status == 1, finished.stderr
    (error,) = finished.document["evaluation_errors"]
    assert (error["attr"], error["status"], error["kind"]) == ("a", "new", "timeout")
    assert finished.document["counts"]["unchanged"] == 1


def test_a_whole_expression_that_never_ends_speaks_against_the_change(empty_repository: ReviewedRepository) -> None:
    of_two_commits(empty_repository, '{ a = good "a"; }', f'if {ENDLESS} == "" then {{ }} else {{ }}')

    finished = empty_repository.review("--eval-timeout", "2", "--format", "json")

    assert finished.status == 1, finished.stderr
    (error,) = finished.document["evaluation_errors"]
    assert (error["attr"], error["kind"]) == ("", "timeout")


@pytest.mark.parametrize(
    ("base", "head"),
    [
        ("{ }", "{ }"),
        ('{ a = throw "never"; }', '{ a = throw "never at all"; }'),
        ("{ a = null; }", "{ a = null; }"),
        ('{ a = good "a"; }', "{ }"),
    ],
)
def test_an_evaluation_without_a_package_proves_nothing(
    empty_repository: ReviewedRepository, base: str, head: str
) -> None:
    of_two_commits(empty_repository, base, head)

    finished = empty_repository.review("--format", "json")

    assert finished.status == 4, finished.stdout
    assert finished.document["verdict"] == "wait"


SETS = (
    '{ hello = good "hello"; gimp = good "gimp"; set = { recurseForDerivations = true; one = good "one"; };'
    ' silent = { two = good "two"; }; }'
)


@pytest.mark.parametrize(
    ("globs", "advice"),
    [
        (["helo"], "did you mean hello?"),
        (["set"], "-A 'set.*'"),
        (["set.oen"], "did you mean set.one?"),
        (["sett.one"], "did you mean set?"),
        (["silent.*"], "recurseForDerivations"),
        (["zzzzzz*"], "without -A"),
        (["helo", "gmip"], "did you mean gimp?"),
    ],
    ids=str,
)
def test_globs_that_match_nothing_are_wrong_use(
    empty_repository: ReviewedRepository, globs: list[str], advice: str
) -> None:
    of_two_commits(empty_repository, SETS, SETS)

    finished = empty_repository.review(*(word for glob in globs for word in ("-A", glob)))

    assert finished.status == 2, finished.stderr
    assert all(repr(glob) in finished.stderr for glob in globs)
    assert advice in finished.stderr


def test_one_glob_of_several_that_matches_nothing_is_a_note(empty_repository: ReviewedRepository) -> None:
    of_two_commits(empty_repository, SETS, SETS)

    finished = empty_repository.review("-A", "set.*", "-A", "helo", "--format", "json")

    assert finished.status == 0, finished.stderr
    assert [note for note in finished.document["notes"] if "no attribute matches" in note] == [
        "no attribute matches -A 'helo' on either side"
    ]


def test_names_of_a_flake_are_suggested(empty_repository: ReviewedRepository) -> None:
    flake = '{ outputs = _: { packages.SYSTEM.hello = derivation { name = "h"; builder = "x"; system = "y"; }; }; }'
    system = subprocess.run(
        ["nix-instantiate", "--eval", "--expr", "builtins.currentSystem"],
        env=dict(empty_repository.environment),
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    for message in ("one", "two"):
        empty_repository.commit(message, {"flake.nix": flake.replace("SYSTEM", system) + f"\n# {message}\n"})
        empty_repository.git("switch", "--quiet", "--create", f"after-{message}")

    finished = empty_repository.review("-A", "packages.helo")

    assert finished.status == 2, finished.stderr
    assert "did you mean packages.hello?" in finished.stderr

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ekaci_core.evaluation import person_digest


def digest(home: Path, **variables: str) -> str:
    return person_digest({"HOME": str(home), **variables})


def write(path: Path, text: str = "{ }") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_who_changes_nothing_stays_the_same(tmp_path: Path) -> None:
    assert digest(tmp_path) == digest(tmp_path)
    write(tmp_path / ".config/nixpkgs/overlays/deep/a.nix")
    assert digest(tmp_path) == digest(tmp_path)
    before = digest(tmp_path)
    write(tmp_path / ".config/other/config.nix")
    assert digest(tmp_path, TERM="dumb") == before


@pytest.mark.parametrize(
    "change",
    [
        lambda home: write(home / ".config/nixpkgs/config.nix", "{ allowUnfree = true; }"),
        lambda home: write(home / ".config/nixpkgs/overlays.nix"),
        lambda home: write(home / ".config/nixpkgs/overlays/b.nix"),
        lambda home: write(home / ".config/nixpkgs/overlays/a/default.nix", "changed"),
        lambda home: (home / ".config/nixpkgs/overlays/a/default.nix").unlink(),
        lambda home: write(home / ".nixpkgs/config.nix"),
        lambda home: write(home / "elsewhere/linked.nix", "changed"),
        lambda home: (home / ".config/nixpkgs/overlays/gone").symlink_to("nowhere"),
    ],
)
def test_nixpkgs_configuration_counts_with_all_below_it(change: Callable[[Path], object], tmp_path: Path) -> None:
    write(tmp_path / ".config/nixpkgs/config.nix")
    write(tmp_path / ".config/nixpkgs/overlays/a/default.nix")
    write(tmp_path / "elsewhere/linked.nix")
    (tmp_path / ".config/nixpkgs/overlays/linked").symlink_to(tmp_path / "elsewhere")
    before = digest(tmp_path)

    change(tmp_path)

    assert digest(tmp_path) != before
    assert digest(tmp_path) == digest(tmp_path)


def test_the_person_counts(tmp_path: Path) -> None:
    assert digest(tmp_path, USER="ada") != digest(tmp_path, USER="bob")
    assert digest(tmp_path) != digest(tmp_path / "other")
    write(tmp_path / "config/nixpkgs/config.nix")
    assert digest(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "config")) != digest(tmp_path)


def test_a_link_that_leads_to_itself_is_followed_once(tmp_path: Path) -> None:
    write(tmp_path / ".config/nixpkgs/config.nix")
    (tmp_path / ".config/nixpkgs/again").symlink_to(".")
    assert digest(tmp_path) == digest(tmp_path)


def test_what_is_too_much_or_unreadable_is_never_the_same(tmp_path: Path) -> None:
    write(tmp_path / ".config/nixpkgs/a.nix", "12345")
    write(tmp_path / ".config/nixpkgs/b.nix", "12345")
    environment = {"HOME": str(tmp_path)}

    def limited(entries: int, size: int) -> str:
        return person_digest(environment, most_entries=entries, most_bytes=size)

    assert limited(9, 10) == limited(9, 10)
    assert limited(9, 9) != limited(9, 9)
    assert limited(2, 10) != limited(2, 10)
    (tmp_path / ".nixpkgs").symlink_to(".nixpkgs")
    assert digest(tmp_path) != digest(tmp_path)

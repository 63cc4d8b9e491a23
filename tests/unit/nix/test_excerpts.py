from __future__ import annotations

from pathlib import Path

from ekaci_core.nix.excerpts import with_excerpt


def error_at(file: Path, line: int, column: int) -> str:
    return f"error: undefined variable 'gsl'\n\n       at {file}:{line}:{column}:\n"


def test_an_excerpt_looks_as_nix_prints_it(tmp_path: Path) -> None:
    file = tmp_path / "a.nix"
    file.write_text("{ }:\n  [\n    gsl\n  ]\n")
    assert with_excerpt(error_at(file, 3, 5)) == (
        f"error: undefined variable 'gsl'\n\n       at {file}:3:5:\n\n"
        "            2|   [\n            3|     gsl\n             |     ^\n            4|   ]"
    )


def test_texts_that_have_one_or_need_none_stay(tmp_path: Path) -> None:
    file = tmp_path / "a.nix"
    file.write_text("a\nb\nc\n")
    complete = error_at(file, 2, 1) + "\n            2| b\n"
    for text in (complete, "error: no position", error_at(tmp_path / "gone.nix", 1, 1), error_at(file, 99, 1)):
        assert with_excerpt(text) == text


def test_the_first_line_has_nothing_before_it(tmp_path: Path) -> None:
    file = tmp_path / "b.nix"
    file.write_text("gsl")
    assert with_excerpt(error_at(file, 1, 1)).endswith("\n            1| gsl\n             | ^")

"""A review of which the base is known reports what one with nothing known reports."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import ReviewedRepository

pytestmark = pytest.mark.nix

_ATTRIBUTES = """
    SELECT e.tree, a.attr, d.path, m.body, a.name, a.system, a.pname, a.version, hex(a.fingerprint)
    FROM attribute AS a
    JOIN evaluation AS e ON e.id = a.evaluation
    JOIN derivation AS d ON d.id = a.derivation
    LEFT JOIN meta AS m ON m.id = a.meta
    ORDER BY e.tree, a.attr
"""
_OTHERS = (
    "SELECT e.tree, f.attr, f.kind, f.message, f.position FROM fault AS f JOIN evaluation AS e ON e.id = evaluation"
)


def facts(cache: Path) -> tuple[list[Any], set[Any]]:
    with closing(sqlite3.connect(cache / "reviews.sqlite")) as connection:
        attributes = connection.execute(_ATTRIBUTES).fetchall()
        return attributes, set(connection.execute(_OTHERS))


def told(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "timings"}


@pytest.mark.parametrize("known", ["main", "pull-request"])
def test_a_known_side_changes_nothing_in_what_is_found(
    package_set: ReviewedRepository, known: str, tmp_path: Path
) -> None:
    options = ("--format", "json", "--no-build", "--evaluator", "nix", "--base", "main")
    with_nothing = package_set.review(*options, "--head", "pull-request").document
    expected = facts(package_set.cache)
    package_set.cache.rename(tmp_path / "with-nothing")

    package_set.review(*options, "--base", known, "--head", known)
    with_one_side = package_set.review(*options, "--head", "pull-request")

    assert "known from before" in with_one_side.stderr
    assert told(with_one_side.document) == told(with_nothing)
    assert facts(package_set.cache) == expected


def test_only_what_is_reported_anew_is_made_up_of_reports(package_set: ReviewedRepository) -> None:
    """What is copied is copied: a mark in the known side's rows shows on the other, but where that one differs."""
    options = ("--format", "json", "--no-build", "--evaluator", "nix", "--base", "main")
    package_set.review(*options, "--head", "main")
    with closing(sqlite3.connect(package_set.cache / "reviews.sqlite")) as connection, connection:
        connection.execute("UPDATE attribute SET version = 'marked'")
    package_set.review(*options, "--head", "pull-request")
    with closing(sqlite3.connect(package_set.cache / "reviews.sqlite")) as connection:
        rows = connection.execute(
            "SELECT h.version = 'marked', h.fingerprint = b.fingerprint FROM attribute AS h"
            " LEFT JOIN attribute AS b ON b.attr = h.attr AND b.evaluation < h.evaluation"
            " WHERE h.evaluation = (SELECT max(id) FROM evaluation)"
        ).fetchall()
    assert {bool(marked) for marked, _ in rows} == {True, False}
    assert all(bool(marked) == bool(same) for marked, same in rows)

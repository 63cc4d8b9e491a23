"""A review that is stopped in the middle of an evaluation, and the next one, with real Nix."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import ReviewedRepository

pytestmark = pytest.mark.nix

COUNT = 40
# What is evaluated depends on files that no key knows of: only so can one commit be stopped at a defined point, and
# an attribute tell that it is evaluated a second time.
PACKAGES = """
let
  mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; salt = "@salt@"; };
  endless = builtins.genericClosure {
    startSet = [ { key = 0; } ];
    operator = { key }: builtins.genList (x: { key = builtins.bitAnd (x + key) 1023; }) 1000000;
  };
  once = if builtins.pathExists "@folder@/again" then throw "evaluated again" else mk "once";
  slow = if builtins.pathExists "@folder@/wait" then mk "slow-${toString (builtins.length endless)}" else mk "slow";
  named = letter: count: builtins.listToAttrs (builtins.genList (n: rec {
    name = "${letter}${toString (100 + n)}"; value = mk name;
  }) count);
in named "a" @count@ // named "z" 20 // { b-once = once; c-bad = throw "bad"; d-null = null; m-slow = slow; }
"""


@pytest.fixture
def changed(empty_repository: ReviewedRepository, tmp_path: Path) -> ReviewedRepository:
    """An empty set on ``main``, and on top of it one with an attribute in the middle that takes for ever."""
    repository = empty_repository
    repository.commit("Nothing", {"default.nix": "{ }"})
    repository.git("switch", "--quiet", "--create", "change")
    (tmp_path / "wait").touch()
    text = PACKAGES.replace("@salt@", uuid.uuid4().hex).replace("@folder@", str(tmp_path))
    repository.commit("Packages", {"default.nix": text.replace("@count@", str(COUNT))})
    return repository


def stored(database: Path) -> set[str]:
    """Name the derivations of all attributes in the database."""
    if not database.exists():
        return set()
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT path FROM derivation WHERE id IN (SELECT derivation FROM attribute)")
        return {path for (path,) in rows}
    except sqlite3.OperationalError:  # it is being made
        return set()
    finally:
        connection.close()


def wait_until_stored(process: subprocess.Popen[str], database: Path, count: int) -> set[str]:
    found: set[str] = set()
    for _ in range(600):
        found = stored(database)
        if len(found) >= count:
            return found
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError(f"only {sorted(found)} were stored")


def protected(repository: ReviewedRepository) -> set[str]:
    """Name the derivations that the gc roots of the cache refer to."""
    roots = [str(link) for link in repository.cache.glob("gc-roots/**/derivations-*")]
    query = ["nix-store", "--query", "--references", *roots]
    done = subprocess.run(query, env=dict(repository.environment), check=True, capture_output=True, text=True)
    return {Path(line).name.removesuffix(".drv") for line in done.stdout.split()}


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name: document[name] for name in ("verdict", "counts", "attributes", "evaluation_errors", "new_derivations")
    }


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_next_review_evaluates_the_rest(changed: ReviewedRepository, tmp_path: Path, how: signal.Signals) -> None:
    arguments = ("--no-build", "--format", "json", "--eval-workers", "1")
    database = changed.cache / "reviews.sqlite"
    process = changed.start(*arguments)
    found = wait_until_stored(process, database, COUNT + 1)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (-how if how is signal.SIGKILL else 128 + how), said
    assert stored(database) == found, "what is known is kept"
    assert found <= protected(changed), "what was stored is protected, though the process was killed"

    (tmp_path / "wait").unlink()
    (tmp_path / "again").touch()
    second = changed.review(*arguments)
    assert second.status == 1, second.stderr
    assert f"continued: {len(found)} attributes known from before" in second.stderr

    (tmp_path / "again").unlink()
    elsewhere = changed.review(*arguments, environment={"XDG_CACHE_HOME": str(tmp_path / "other-cache")})
    assert comparable(second.document) == comparable(elsewhere.document)
    assert second.document["counts"]["added"] == COUNT + 22
    assert second.document["counts"]["new_errors"] == 1

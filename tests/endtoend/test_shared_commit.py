"""One commit in several pull requests: GitHub shows one check of a name at it."""

from __future__ import annotations

import signal

import pytest
from tests.endtoend.service import VERDICT, Scene
from tests.standins.github.records import Pull

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

BROKEN = '{ mkPackage }: mkPackage { pname = "old"; version = "1"; build = "echo old; exit 1"; }\n'
SINGLE = "old / New (packages)"


def two_pulls(scene: Scene) -> tuple[Pull, Pull]:
    """Open one into main, which is broken already and stays as it is, and one into a release that it would break."""
    scene.service.start()
    scene.people.push(scene.place, {"RELEASE": "1\n"}, branch="release", parent=scene.main)
    scene.people.push(scene.place, {"pkgs/old.nix": BROKEN}, branch="main")
    scene.people.push(scene.place, {"README.md": "shared\n"}, branch="shared", parent=scene.main)
    bad = scene.people.open_pull(scene.place, "shared", author="ada", base="release")
    scene.service.verdict(scene.place, bad.head_sha, "failure")
    scene.service.wait(lambda: SINGLE in scene.service.checks(scene.place, bad.head_sha))
    good = scene.people.open_pull(scene.place, "shared", author="ada", base="main")
    assert good.head_sha == bad.head_sha
    done = "SELECT count(*) FROM review WHERE occasion = 'pull_request' AND state = 'done'"
    scene.service.wait(lambda: scene.service.ask(done) == [(2,)])
    scene.service.wait(lambda: scene.service.ask("SELECT count(*) FROM post WHERE sent < version") == [(0,)])
    return bad, good


def test_a_commit_is_green_only_if_every_pull_request_of_it_is(scene: Scene) -> None:
    bad, good = two_pulls(scene)
    checks = scene.service.checks(scene.place, bad.head_sha)
    run = checks[VERDICT]
    assert run.conclusion == "failure"
    assert run.title is not None
    assert run.title.endswith(f"(#{bad.number} into release)")
    assert f"### Pull request #{good.number} into `main`\n\n**Merge" in (run.summary or "")
    assert checks[SINGLE].conclusion == "failure", "what the other does not name still fails for this one"
    scene.people.close(scene.place, bad)
    run = scene.service.verdict(scene.place, bad.head_sha, "success")
    assert "release" not in f"{run.title} {run.summary}"
    scene.service.wait(lambda: scene.service.checks(scene.place, bad.head_sha)[SINGLE].conclusion == "neutral")


def test_a_pull_request_that_goes_elsewhere_says_nothing_of_where_it_was_to_go(scene: Scene) -> None:
    bad, _ = two_pulls(scene)
    scene.people.retarget(scene.place, bad, "main")
    run = scene.service.verdict(scene.place, bad.head_sha, "success")
    assert "release" not in f"{run.title} {run.summary}"


def test_a_close_that_a_killed_server_was_told_of_counts_when_it_is_back(scene: Scene) -> None:
    bad, good = two_pulls(scene)
    scene.people.close(scene.place, good)
    scene.service.wait(lambda: scene.service.ask("SELECT count(*) FROM pull_request WHERE state = 'closed'") == [(1,)])
    scene.service.stop(signal.SIGKILL)
    scene.service.start()
    scene.service.wait(lambda: "#" not in f"{scene.service.checks(scene.place, bad.head_sha)[VERDICT].title}")
    run = scene.service.checks(scene.place, bad.head_sha)[VERDICT]
    assert run.conclusion == "failure"
    assert "Pull request" not in (run.summary or "")

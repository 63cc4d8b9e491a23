"""Pull requests that are reviewed as they would be once merged."""

from __future__ import annotations

import pytest
from tests.endtoend.service import VERDICT, Scene
from tests.standins.github.records import Pull

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

READS = '{ mkPackage }: mkPackage { pname = builtins.readFile ../word; version = "1"; build = "echo read"; }\n'


def fits_only_where_it_left(scene: Scene) -> Pull:
    """Open a pull request that is well by itself, and not with what its base has become since."""
    scene.people.push(scene.place, {"word": "word"}, branch="main")
    scene.people.push(scene.place, {"pkgs/reads.nix": READS}, branch="reads", parent=scene.main)
    scene.people.push(scene.place, {"word": None}, branch="main")
    return scene.people.open_pull(scene.place, "reads", author="ada")


def test_what_is_well_by_itself_and_not_once_merged_is_not_merged(scene: Scene) -> None:
    scene.service.settings = 'review_as_merged = ["*/octo/packages"]'
    scene.service.start()
    pull = fits_only_where_it_left(scene)
    run = scene.service.verdict(scene.place, pull.head_sha, "failure")
    assert f"once merged into main at {scene.main[:7]}" in (run.summary or "")
    assert {each.head_sha for each in scene.place.checks.values()} == {pull.head_sha}


def test_other_repositories_are_compared_with_where_they_left(scene: Scene) -> None:
    scene.service.settings = 'review_as_merged = ["*/octo/others"]'
    scene.service.start()
    pull = fits_only_where_it_left(scene)
    run = scene.service.verdict(scene.place, pull.head_sha, "success")
    assert "once merged" not in (run.summary or "")


def test_conflicts_are_waited_for_and_named_and_nothing_else_is_reviewed(scene: Scene) -> None:
    scene.service.settings = 'review_as_merged = ["*/*"]'
    scene.service.start()
    before = scene.main
    scene.people.push(scene.place, {"README.md": "theirs\n"}, branch="words", parent=before)
    scene.people.push(scene.place, {"README.md": "ours\n"}, branch="main")
    pull = scene.people.open_pull(scene.place, "words", author="ada")
    run = scene.service.verdict(scene.place, pull.head_sha, "action_required")
    assert run.title == "Wait: it conflicts with main"
    assert "README" in (run.summary or "")
    assert set(scene.service.checks(scene.place, pull.head_sha)) == {VERDICT}
    decisions = "SELECT state, decision FROM review WHERE occasion = 'pull_request'"
    scene.service.wait(lambda: scene.service.ask(decisions) == [("done", "wait")])
    # The base gives way, and somebody asks again.
    scene.people.push(scene.place, {"NEWS.md": "ours\n"}, branch="main", parent=before)
    scene.people.rerun(scene.place, run, by="ada")
    run = scene.service.verdict(scene.place, pull.head_sha, "success")
    assert f"once merged into main at {scene.main[:7]}" in (run.summary or "")

"""From a push at GitHub to the check run, with a real server, real git, real Nix and real HTTP."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.endtoend.service import SLOW, VERDICT, Scene, package_set
from tests.standins.github.git import Bare

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

CONFIG = ".eka-ci/config.json"


def test_a_change_of_words_may_be_merged_in_few_writes(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"README.md": "new words\n"}, branch="words")
    pull = scene.people.open_pull(scene.place, "words", author="ada")
    run = scene.service.verdict(scene.place, pull.head_sha, "success")
    wanted = {VERDICT, "EkaCI: Configure", "EkaCI: Evaluate Job (packages)", "EkaCI: Change Summary"}
    scene.service.wait(lambda: set(scene.service.checks(scene.place, pull.head_sha)) == wanted)
    checks = scene.service.checks(scene.place, pull.head_sha)
    assert run.title is not None
    assert run.title.startswith("Merge")
    assert sum(each.writes for each in checks.values()) <= 12
    assert min(checks.values(), key=lambda each: each.id).name == VERDICT, "it is made first of all"
    assert scene.service.stop() == 0


def test_a_new_package_is_built(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/wave.nix": package("wave", "echo waved")}, branch="wave")
    pull = scene.people.open_pull(scene.place, "wave", author="ada")
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert "wave-1" in scene.service.built()


def test_what_fails_newly_has_a_check_of_its_own_and_what_failed_before_is_known(scene: Scene) -> None:
    scene.people.push(scene.place, {"pkgs/old.nix": package("old", "echo old; exit 1")}, branch="main")
    scene.service.start()
    changed = {"pkgs/old.nix": package("old", "echo older; exit 1")}
    changed["pkgs/new.nix"] = package("new", "echo oops; exit 3")
    scene.people.push(scene.place, changed, branch="break")
    pull = scene.people.open_pull(scene.place, "break", author="ada")
    run = scene.service.verdict(scene.place, pull.head_sha, "failure")
    assert run.title is not None
    assert run.title.startswith("Do not merge")
    new, old = "new / New (packages)", "old / Changed (packages)"
    scene.service.wait(lambda: {new, old} <= set(scene.service.checks(scene.place, pull.head_sha)))
    checks = scene.service.checks(scene.place, pull.head_sha)
    assert checks[new].conclusion == "failure"
    assert "oops" in (checks[new].text or "")
    assert "nix-store --realise" in (checks[new].text or "")
    assert checks[old].title == "Still failing"


def test_an_evaluation_error_stands_at_its_line(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/bad.nix": "{ mkPackage }:\nmkPackage { pname = missing; }\n"}, branch="bad")
    pull = scene.people.open_pull(scene.place, "bad", author="ada")
    scene.service.verdict(scene.place, pull.head_sha, "failure")
    check = scene.service.checks(scene.place, pull.head_sha)["EkaCI: Evaluate Job (packages)"]
    assert check.conclusion == "failure"
    assert [(each["path"], each["start_line"]) for each in check.annotations] == [("pkgs/bad.nix", 2)]


def test_a_fork_is_reported_at_the_base_repository(scene: Scene) -> None:
    fork = scene.github.world.fork(scene.place, "mallory")
    scene.people.push(fork, {"README.md": "of a fork\n"}, branch="theirs")
    scene.service.start()
    pull = scene.people.open_pull(scene.place, "theirs", author="mallory", source=fork)
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert not fork.checks


def test_a_push_over_a_build_stops_it_and_closes_its_checks(scene: Scene) -> None:
    scene.service.start()
    old = scene.people.push(scene.place, {"pkgs/slow.nix": SLOW}, branch="slow")
    scene.people.open_pull(scene.place, "slow", author="ada")
    scene.service.wait(lambda: "slow-1" in scene.service.building())
    new = scene.people.push(scene.place, {"README.md": "words\n"}, branch="slow", parent=scene.main)
    scene.service.verdict(scene.place, new, "success")
    scene.service.verdict(scene.place, old, "cancelled")
    scene.service.wait(lambda: not scene.service.building())


def test_a_pull_request_that_is_closed_is_given_up(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/slow.nix": SLOW}, branch="slow")
    pull = scene.people.open_pull(scene.place, "slow", author="ada")
    scene.service.wait(lambda: "slow-1" in scene.service.building())
    scene.people.close(scene.place, pull)
    scene.service.verdict(scene.place, pull.head_sha, "cancelled")
    scene.service.wait(lambda: not scene.service.building())


def test_a_draft_is_tried_when_it_is_pushed_and_given_up_when_it_becomes_one(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"README.md": "draft\n"}, branch="draft")
    pull = scene.people.open_pull(scene.place, "draft", author="ada", draft=True)
    scene.service.verdict(scene.place, pull.head_sha, "success")
    sha = scene.people.push(scene.place, {"pkgs/slow.nix": SLOW}, branch="draft")
    scene.service.wait(lambda: "slow-1" in scene.service.building())
    scene.people.draft(scene.place, pull, draft=True)
    scene.service.verdict(scene.place, sha, "cancelled")


def test_a_merge_group_gets_its_verdict(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"README.md": "queued\n"}, branch="queued")
    pull = scene.people.open_pull(scene.place, "queued", author="ada")
    scene.service.verdict(scene.place, pull.head_sha, "success")
    branch, sha = scene.people.merge_group(scene.place, pull)
    scene.service.verdict(scene.place, sha, "success")
    scene.people.drop_group(scene.place, pull, branch, "merged")


def test_re_run_reviews_again(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"README.md": "again\n"}, branch="again")
    pull = scene.people.open_pull(scene.place, "again", author="ada")
    first = scene.service.verdict(scene.place, pull.head_sha, "success")
    writes = first.writes
    scene.people.rerun(scene.place, first, by="ada")
    scene.service.wait(lambda: scene.service.rounds(pull.head_sha) == [2])
    run = scene.service.verdict(scene.place, pull.head_sha, "success")
    assert run.id == first.id or run.writes > writes or run.external_id != first.external_id


def test_re_run_builds_again_what_failed(scene: Scene, tmp_path: Path) -> None:
    there = tmp_path / "there"
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/moody.nix": package("moody", f"test -e {there}")}, branch="moody")
    pull = scene.people.open_pull(scene.place, "moody", author="ada")
    run = scene.service.verdict(scene.place, pull.head_sha, "failure")
    there.touch()
    scene.people.press(scene.place, run, "rerun", by="ada")
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert scene.service.attempts("moody-1") == 3


def test_nothing_of_a_stranger_runs_before_the_commit_is_approved(scene: Scene) -> None:
    scene.service.settings = "require_approval = true"
    scene.service.start()
    fork = scene.github.world.fork(scene.place, "mallory")
    first = scene.people.push(fork, {"README.md": "first\n"}, branch="theirs")
    pull = scene.people.open_pull(scene.place, "theirs", author="mallory", source=fork)
    approval = "EkaCI: Approval Required (User: @mallory)"
    scene.service.wait(lambda: approval in scene.service.checks(scene.place, first))
    scene.service.verdict(scene.place, first, "action_required")
    assert not any("upload-pack" in each.path for each in scene.github.seen), "nothing of it was fetched"
    waiting = scene.service.checks(scene.place, first)[approval]
    scene.people.press(scene.place, waiting, "approve", by="mallory")
    scene.people.press(scene.place, waiting, "approve", by="ada")
    scene.service.verdict(scene.place, first, "success")
    assert scene.service.checks(scene.place, first)[approval].conclusion == "success"
    second = scene.people.push(fork, {"README.md": "second\n"}, branch="theirs")
    scene.service.verdict(scene.place, second, "action_required")
    comment = scene.people.comment(scene.place, pull, "/ekaci approve", by="ada")
    scene.service.verdict(scene.place, second, "success")
    scene.service.wait(lambda: bool(comment.reactions))
    assert [content for _, _, content in comment.reactions] == ["+1"]


def test_two_repositories_with_the_same_commit_have_their_own_checks(scene: Scene) -> None:
    twin = scene.github.world.fork(scene.place, "twin")
    scene.github.world.install(scene.app, "twin")
    scene.service.start()
    sha = scene.people.push(scene.place, {"README.md": "both\n"}, branch="both")
    Bare(twin.folder).take(Bare(scene.place.folder), sha, "refs/heads/both")
    for place in (scene.place, twin):
        scene.people.open_pull(place, "both", author="ada")
    for place in (scene.place, twin):
        scene.service.verdict(place, sha, "success")


def test_a_repository_without_configuration_gets_nothing(scene: Scene) -> None:
    files = {name: text for name, text in package_set().items() if name != CONFIG}
    bare = scene.github.world.repository("octo/quiet", files=files, roles={"ada": "write"})
    scene.service.start()
    scene.people.push(bare, {"README.md": "words\n"}, branch="words")
    scene.people.open_pull(bare, "words", author="ada")
    scene.service.wait(lambda: "not_configured" in scene.service.states())
    assert not bare.checks


def test_a_configuration_that_cannot_be_used_is_told(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {CONFIG: json.dumps({"jobs": {"packages": {"file": 3}}})}, branch="wrong")
    pull = scene.people.open_pull(scene.place, "wrong", author="ada")
    scene.service.verdict(scene.place, pull.head_sha, "failure")
    scene.service.wait(lambda: "EkaCI: Configure" in scene.service.checks(scene.place, pull.head_sha))
    assert scene.service.checks(scene.place, pull.head_sha)["EkaCI: Configure"].conclusion == "failure"


def test_a_cache_that_the_server_does_not_know_harms_nothing(scene: Scene) -> None:
    config = json.loads(package_set()[CONFIG])
    config["jobs"]["packages"]["caches"] = ["nowhere"]
    scene.people.push(scene.place, {CONFIG: json.dumps(config)}, branch="main")
    scene.service.start()
    scene.people.push(scene.place, {"README.md": "words\n"}, branch="words")
    pull = scene.people.open_pull(scene.place, "words", author="ada")
    scene.service.verdict(scene.place, pull.head_sha, "success")


def test_a_server_that_is_killed_goes_on_when_it_is_started_again(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/slow.nix": SLOW.replace("300", "8")}, branch="slow")
    pull = scene.people.open_pull(scene.place, "slow", author="ada")
    scene.service.wait(lambda: "slow-1" in scene.service.building())
    scene.service.stop(signal.SIGKILL)
    scene.people.push(scene.place, {"README.md": "while it was away\n"}, branch="away")
    other = scene.people.open_pull(scene.place, "away", author="ada")
    scene.service.start()
    scene.service.verdict(scene.place, pull.head_sha, "success")
    scene.service.verdict(scene.place, other.head_sha, "success")
    names = [each.name for each in scene.place.checks.values() if each.head_sha == pull.head_sha]
    assert len(names) == len(set(names)), "no check was made twice"


def package(name: str, build: str) -> str:
    return f'{{ mkPackage }}: mkPackage {{ pname = "{name}"; version = "1"; build = "{build}"; }}\n'

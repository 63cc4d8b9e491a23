"""From a pull request at GitHub to files in a cache: a real server, real Nix, and caches that any Nix reads."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.endtoend.service import Scene, package_set
from tests.endtoend.test_commands_at_github import answer, run

pytestmark = [pytest.mark.nix, pytest.mark.timeout(300)]

CONFIG = ".eka-ci/config.json"
ALPHA = '{ mkPackage, libcore }: mkPackage { pname = "alpha"; version = "1"; inputs = [ libcore ]; }\n'
WHOLE = {"alpha-1", "libcore-2.4"}


def jobs(*caches: str) -> str:
    return json.dumps({"jobs": {"packages": {"file": "default.nix", "caches": list(caches)}}})


def prepare(scene: Scene, *caches: str) -> None:
    """Have the default branch name these caches, and packages refer to what they are made of."""
    lib = package_set()["lib.nix"].replace('echo "$name" > $out', 'echo "$name $inputs" > $out')
    scene.people.push(scene.place, {CONFIG: jobs(*caches), "lib.nix": lib}, branch="main")


def add_cache(scene: Scene, name: str, more: str = "", destination: str | None = None) -> Path:
    """Configure a cache that is a folder."""
    folder = scene.service.folder / f"cache-{name}"
    where = destination or f"file://{folder}"
    table = f'[[caches]]\nid = "{name}"\ncache_type = "nix-copy"\ndestination = "{where}"\ncredentials = "none"\n'
    scene.service.settings += f"\n{table}{more}\n"
    return folder


def held(folder: Path) -> set[str]:
    """Name what a cache holds."""
    texts = [each.read_text() for each in folder.glob("*.narinfo")]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("StorePath: ")]
    return {line.rpartition("/")[2][33:] for line in lines}


def counts(scene: Scene, cache: str) -> dict[str, int]:
    rows = scene.service.ask(f"SELECT state, count(*) FROM push WHERE cache = '{cache}' GROUP BY state")  # noqa: S608
    return dict(rows)


def told(scene: Scene, problem: str) -> bool:
    return problem in scene.service.log


def propose(scene: Scene, files: dict[str, str], branch: str, author: str = "ada") -> str:
    scene.people.push(scene.place, files, branch=branch)
    return scene.people.open_pull(scene.place, branch, author=author).head_sha


def test_a_trusted_pull_request_gets_to_the_caches_that_it_may_use(scene: Scene) -> None:
    prepare(scene, "team", "releases", "nonexistent-cache")
    team = add_cache(scene, "team", 'permissions = { allow_all = false, allowed_repos = ["OCTO/*"] }')
    only_main = 'permissions = { allow_all = false, allowed_branches = ["main"] }'
    releases = add_cache(scene, "releases", only_main)
    greedy = add_cache(scene, "greedy")
    scene.service.start()
    files = {"pkgs/alpha.nix": ALPHA, CONFIG: jobs("team", "releases", "nonexistent-cache", "greedy")}
    sha = propose(scene, files, "topic")
    scene.service.verdict(scene.place, sha, "success")
    scene.service.wait(lambda: counts(scene, "team") == {"done": 2})
    assert held(team) == WHOLE
    assert (held(releases), held(greedy)) == (set(), set()), "not allowed; not on the base"
    assert told(scene, "Permission denied for cache 'releases' in octo/packages: Branch topic is not allowed")
    assert told(scene, "Cache ID 'nonexistent-cache' not found in server registry, skipping")
    shown = answer(scene, "pushes", "list", "--cache", "team")
    assert [(each["path"][44:], each["state"]) for each in shown["pushes"]] == [
        ("alpha-1", "done"),
        ("libcore-2.4", "done"),
    ]
    assert shown["caches"][0]["pushes"]["done"] == 2
    assert "libcore-2.4" in run(scene, "pushes", "list")
    assert "team: pushes 2 done" in run(scene, "status")
    logs = [each.read_text() for each in (scene.service.folder / "logs").rglob("hook-push-team.log")]
    assert sorted(("alpha-1: pushed" in each, "libcore-2.4: pushed" in each) for each in logs) == [
        (False, True),
        (True, False),
    ], "each derivation that was built has one"
    events = [event for (event,) in scene.service.ask("SELECT event FROM audit_record ORDER BY id")]
    assert {"hook_permission_denied", "hook_execution_start", "hook_execution_complete"} == set(events)

    before = {each: each.stat().st_mtime_ns for each in team.rglob("*")}
    sha = propose(scene, {"pkgs/alpha.nix": ALPHA, "README.md": "more words\n"}, "second")
    scene.service.verdict(scene.place, sha, "success")
    scene.service.wait(lambda: scene.service.states()[-1] == "done")
    assert {each: each.stat().st_mtime_ns for each in team.rglob("*")} == before, "nothing is pushed twice"
    assert counts(scene, "team") == {"done": 2}


def test_a_push_to_a_branch_is_judged_by_that_branch(scene: Scene) -> None:
    prepare(scene, "team")
    team = add_cache(scene, "team", 'permissions = { allow_all = false, allowed_branches = ["main"] }')
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/alpha.nix": ALPHA}, branch="main")
    scene.service.wait(lambda: counts(scene, "team") == {"done": 2})
    assert held(team) == WHOLE


def test_nothing_of_a_fork_nor_of_what_waits_for_approval_is_pushed(scene: Scene) -> None:
    prepare(scene, "team")
    scene.service.settings = "require_approval = true\n"
    team = add_cache(scene, "team")
    scene.service.start()
    fork = scene.github.world.fork(scene.place, "ada")
    scene.people.push(fork, {"pkgs/alpha.nix": ALPHA}, branch="theirs")
    pull = scene.people.open_pull(scene.place, "theirs", author="ada", source=fork)
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert "alpha-1" in scene.service.built()
    other = scene.github.world.fork(scene.place, "mallory")
    scene.people.push(other, {"pkgs/alpha.nix": ALPHA.replace('"1"', '"2"')}, branch="worse")
    waiting = scene.people.open_pull(scene.place, "worse", author="mallory", source=other)
    scene.service.verdict(scene.place, waiting.head_sha, "action_required")
    scene.service.wait(lambda: set(scene.service.states()) == {"done", "waiting"})
    assert counts(scene, "team") == {}
    assert held(team) == set()
    assert told(scene, "Cache 'team' takes nothing of people who may not write to octo/packages, nor of forks")


def test_a_cache_that_fails_leaves_the_verdict_green_and_is_tried_again(scene: Scene) -> None:
    prepare(scene, "broken", "team")
    in_the_way = scene.service.folder / "in-the-way"
    in_the_way.write_text("no folder")
    add_cache(scene, "broken", destination=f"file://{in_the_way}/cache")
    team = add_cache(scene, "team")
    scene.service.start()
    sha = propose(scene, {"pkgs/alpha.nix": ALPHA}, "topic")
    scene.service.verdict(scene.place, sha, "success")
    scene.service.wait(lambda: counts(scene, "team") == {"done": 2})
    assert held(team) == WHOLE
    scene.service.wait(lambda: answer(scene, "pushes", "list", "--cache", "broken")["caches"][0]["fault"] != "")
    scene.service.wait(lambda: set(scene.service.states()) == {"done"})
    assert "done" not in counts(scene, "broken")
    in_the_way.unlink()
    in_the_way.mkdir()
    run(scene, "pushes", "retry", "--cache", "broken")
    scene.service.wait(lambda: counts(scene, "broken") == {"done": 2}, seconds=60)
    assert held(in_the_way / "cache") == WHOLE
    assert counts(scene, "team") == {"done": 2}


def test_what_waits_for_a_cache_outlives_a_killed_server(scene: Scene) -> None:
    prepare(scene, "team")
    place = scene.service.folder / "later"
    place.write_text("no folder yet")
    add_cache(scene, "team", destination=f"file://{place}/cache")
    scene.service.start()
    sha = propose(scene, {"pkgs/alpha.nix": ALPHA}, "topic")
    scene.service.verdict(scene.place, sha, "success")
    scene.service.wait(lambda: set(scene.service.states()) == {"done"})
    assert counts(scene, "team") == {"pending": 2}
    assert scene.service.stop(signal.SIGKILL) == -signal.SIGKILL
    place.unlink()
    place.mkdir()
    scene.service.start()
    scene.service.wait(lambda: counts(scene, "team") == {"done": 2})
    assert held(place / "cache") == WHOLE
    assert scene.service.stop() == 0

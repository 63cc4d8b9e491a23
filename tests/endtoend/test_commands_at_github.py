"""The commands against a real server that works for the stand-in GitHub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.endtoend.service import VERDICT, Scene

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

EKACI = str(Path(sys.executable).parent / "ekaci")


def run(scene: Scene, *arguments: str, expected: int = 0) -> str:
    service = scene.service
    environment = {**service.environment, "EKA_CI_UNIX__SOCKET_PATH": str(service.folder / "sock")}
    words = [EKACI, *arguments]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == expected, (done, service.log)
    return done.stdout or done.stderr


def answer(scene: Scene, *arguments: str, expected: int = 0) -> Any:
    return json.loads(run(scene, *arguments, "--json", expected=expected))


def host(scene: Scene) -> str:
    return str(answer(scene, "status")["forges"][0]["host"])


def test_what_commands_show_of_a_pull_request(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"README.md": "words\n"}, branch="words")
    pull = scene.people.open_pull(scene.place, "words", author="ada")
    scene.service.verdict(scene.place, pull.head_sha, "success")
    scene.service.wait(lambda: answer(scene, "status")["outbox"]["waiting"] == 0)
    (shown,) = answer(scene, "prs", "octo/packages")
    assert (shown["number"], shown["sha"], shown["review"]["decision"]) == (pull.number, pull.head_sha, "merge")
    assert f"octo/packages#{pull.number}" in run(scene, "prs")
    (found,) = answer(scene, "jobs", pull.head_sha)
    assert found["jobs"][0]["job"] == "packages"
    assert {each["context"] for each in found["checks"]} >= {VERDICT, "EkaCI: Configure"}
    assert "merge" in run(scene, "jobset", str(found["review"]["id"]))
    deliveries = answer(scene, "deliveries", "list", "--state", "handled")
    opened = next(each for each in deliveries if each["kind"] == "pull_request")
    assert json.loads(answer(scene, "deliveries", "show", str(opened["id"]))["payload"])["action"] == "opened"
    assert '"action": "opened"' in run(scene, "deliveries", "show", str(opened["id"]))
    assert run(scene, "deliveries", "replay", str(opened["id"]))

    def handled_again() -> bool:
        told = answer(scene, "deliveries", "show", str(opened["id"]))
        return bool(told["state"] == "handled" and told["handled_at"] > opened["handled_at"])

    scene.service.wait(handled_again, seconds=20)
    forge = answer(scene, "forge", "check")
    assert [each["instance"] for each in forge] == ["test"]
    assert forge[0]["findings"]
    assert all(each["well"] for each in forge[0]["findings"]), forge
    writes = scene.service.checks(scene.place, pull.head_sha)[VERDICT].writes
    assert answer(scene, "resync-checks", "octo/packages", str(pull.number))["checks"] >= 4
    scene.service.wait(lambda: scene.service.checks(scene.place, pull.head_sha)[VERDICT].writes > writes)


def test_a_pull_request_that_was_never_told_of_is_reviewed(scene: Scene) -> None:
    scene.people.push(scene.place, {"README.md": "words\n"}, branch="words")
    scene.service.start()
    scene.app.webhook_url = ""
    pull = scene.people.open_pull(scene.place, "words", author="ada")
    found = answer(scene, "github", host(scene), "octo", "packages", str(pull.number), "--wait")
    assert found["review"]["decision"] == "merge"
    assert found["review"]["trusted"]
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert "there is no such pull request" in run(scene, "github", host(scene), "octo", "packages", "77", expected=2)
    again = answer(scene, "github", host(scene), "octo", "packages", str(pull.number), "--again")
    assert again["round"] == 2


def test_a_commit_is_reviewed_and_nothing_is_reported(scene: Scene) -> None:
    sha = scene.people.push(scene.place, {"pkgs/wave.nix": WAVE}, branch="wave")
    scene.service.start()
    at = (host(scene), "octo", "packages")
    found = answer(scene, "git", *at, "wave", "--wait")
    assert found["review"]["sha"] == sha
    assert [each["attr"] for each in found["packages"]] == ["wave"]
    assert answer(scene, "git", *at, sha)["id"] == found["review"]["id"]
    assert not scene.service.checks(scene.place, sha)
    later = scene.people.push(scene.place, {"pkgs/wave.nix": WAVE}, branch="main")
    merged = answer(scene, "git", *at, "main", "--wait")
    assert merged["review"]["sha"] == later
    assert [each["attr"] for each in merged["packages"]] == ["wave"], "compared with its parent"
    for name in ("nothing", "-f", "0" * 39):
        assert "there is no branch or tag" in run(scene, "git", *at, "--", name, expected=2)


def test_strangers_are_approved_by_commit_or_for_good(scene: Scene) -> None:
    scene.service.settings = "require_approval = true"
    scene.service.start()
    fork = scene.github.world.fork(scene.place, "mallory")
    first = scene.people.push(fork, {"README.md": "first\n"}, branch="theirs")
    pull = scene.people.open_pull(scene.place, "theirs", author="mallory", source=fork)
    scene.service.verdict(scene.place, first, "action_required")
    waiting = run(scene, "github", host(scene), "octo", "packages", str(pull.number), "--wait", expected=4)
    assert "waiting" in waiting
    told = answer(scene, "approve", "octo/packages", str(pull.number))
    assert told["sha"] == first
    scene.service.verdict(scene.place, first, "success")
    second = scene.people.push(fork, {"README.md": "second\n"}, branch="theirs")
    scene.service.verdict(scene.place, second, "action_required")
    assert "not as it was known" not in run(scene, "approve", f"{host(scene)}/octo/packages", second[:10])
    scene.service.verdict(scene.place, second, "success")
    third = scene.people.push(fork, {"README.md": "third\n"}, branch="theirs")
    scene.service.verdict(scene.place, third, "action_required")
    assert "--id" in run(scene, "approve-user", "nobody", expected=2)
    told = answer(scene, "approve-user", "Mallory", "--notes", "known well")
    assert told["done"] == ["mallory approved: 1 reviews queued"]
    scene.service.verdict(scene.place, third, "success")
    (user,) = answer(scene, "approved-users")
    assert (user["login"], user["notes"]) == ("mallory", "known well")
    assert "mallory" in run(scene, "approved-users")
    assert "not approved at" in run(scene, "approve-user", "mallory", "--remove")
    assert "is not approved" in run(scene, "approve-user", "mallory", "--remove", expected=2)
    assert answer(scene, "approve-user", "grace", "--id", "4711")["id"] == 4711
    newcomer = scene.github.world.account("newcomer")
    told = answer(scene, "approve-user", "NewComer")
    assert (told["login"], told["id"]) == ("newcomer", newcomer.id), "of whom no pull request is known"


WAVE = '{ mkPackage }: mkPackage { pname = "wave"; version = "1"; build = "echo waved"; }\n'

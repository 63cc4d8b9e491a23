"""From a push at GitHub to the check run, with a real server, real git, real Nix and real HTTP."""

from __future__ import annotations

import pytest
from tests.endtoend.service import VERDICT, Scene

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

BUMP = {
    "pkgs/libgreet.nix": '{ mkPackage }: mkPackage { pname = "libgreet"; version = "1.9"; description = "Greets"; }\n'
}


def test_a_version_bump_may_be_merged(scene: Scene) -> None:
    scene.service.start()
    scene.github.people.push(scene.place, {"README.md": "new words\n"}, branch="words")
    pull = scene.github.people.open_pull(scene.place, "words", author="ada")
    run = scene.service.verdict(scene.place, pull.head_sha, "success")
    wanted = {VERDICT, "EkaCI: Configure", "EkaCI: Evaluate Job (packages)", "EkaCI: Change Summary"}
    scene.service.wait(lambda: set(scene.service.checks(scene.place, pull.head_sha)) == wanted)
    checks = scene.service.checks(scene.place, pull.head_sha)
    assert run.title.startswith("Merge")
    assert sum(each.writes for each in checks.values()) <= 12
    assert scene.service.stop() == 0

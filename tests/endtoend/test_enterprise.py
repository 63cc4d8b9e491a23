"""GitHub Enterprise Server: the API below a path of the host, everything else of the same host."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from tests.endtoend.service import Scene
from tests.endtoend.test_commands_at_github import answer

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]


def test_reviews_approvals_and_what_was_missed_at_an_enterprise_server(enterprise: Scene) -> None:
    scene = enterprise
    scene.github.world.longest_page = 1  # whatever has pages has several
    scene.service.settings = "require_approval = true"
    scene.service.start()
    scene.people.push(scene.place, {"README.md": "words\n"}, branch="words")
    first = scene.people.open_pull(scene.place, "words", author="ada")
    run = scene.service.verdict(scene.place, first.head_sha, "success")
    scene.people.rerun(scene.place, run, by="ada")
    scene.service.wait(lambda: scene.service.rounds(first.head_sha) == [2])
    scene.service.verdict(scene.place, first.head_sha, "success")
    fork = scene.github.world.fork(scene.place, "mallory")
    scene.people.push(fork, {"README.md": "theirs\n"}, branch="theirs")
    second = scene.people.open_pull(scene.place, "theirs", author="mallory", source=fork)
    scene.service.verdict(scene.place, second.head_sha, "action_required")
    comment = scene.people.comment(scene.place, second, "/ekaci approve", by="ada")
    scene.service.verdict(scene.place, second.head_sha, "success")
    scene.service.wait(lambda: bool(comment.reactions))
    scene.service.stop()
    scene.people.push(scene.place, {"NEWS.md": "while it was away\n"}, branch="missed")
    missed = scene.people.open_pull(scene.place, "missed", author="ada")
    scene.github.settle()
    scene.service.start()
    scene.service.verdict(scene.place, missed.head_sha, "success")
    # That nothing was asked outside of /api/v3 but git, the stand-in sees to.
    host = urlsplit(scene.github.url).netloc
    assert scene.service.ask("SELECT DISTINCT forge FROM repository") == [(host,)]


def test_what_is_granted_is_examined_at_an_enterprise_server(enterprise: Scene) -> None:
    enterprise.service.start()
    found = answer(enterprise, "forge", "check")
    assert found
    assert all(finding["well"] for forge in found for finding in forge["findings"]), found

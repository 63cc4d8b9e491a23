"""From a push at Gitea to statuses and the comment: the real server, real Nix, real git; a stand-in or a real Gitea."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.endtoend import gitea_place
from tests.endtoend.gitea_place import GiteaPlace
from tests.endtoend.gitea_service import GiteaService
from tests.endtoend.service import SECRET, SLOW, VERDICT, package_set
from tests.standins.gitea.server import running_gitea

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]


@pytest.fixture
def service(tmp_path: Path, nix_environment: Mapping[str, str]) -> Iterator[GiteaService]:
    """The server, not started yet, and a repository of the example package set at a Gitea."""
    (tmp_path / "server").mkdir()
    with ExitStack() as stack:
        url, administrator = gitea_place.URL, gitea_place.TOKEN
        if not url:
            (tmp_path / "gitea").mkdir()
            gitea = stack.enter_context(running_gitea(tmp_path / "gitea"))
            gitea.world.account("root", is_admin=True)
            url, administrator = gitea.url, gitea.world.token("root", frozenset({"write:admin"})).value
        place = GiteaPlace.made(url, administrator, tmp_path / "clone", package_set())
        made = GiteaService(place, tmp_path / "server", {**os.environ, **nix_environment})
        try:
            yield made
        finally:
            if made.process is not None:
                made.stop()
            assert "Traceback" not in made.log, made.log
            for token in (place.ekaci.token, SECRET):
                assert token not in made.log


def package(name: str, build: str = "true") -> str:
    return f'{{ mkPackage }}: mkPackage {{ pname = "{name}"; version = "1"; build = "{build}"; }}\n'


def test_a_package_that_builds_may_be_merged(service: GiteaService) -> None:
    service.start()
    place = service.place
    sha = place.push(place.ada, {"pkgs/wave.nix": package("wave")}, branch="wave")
    number = place.open(place.ada, "wave")
    verdict = service.verdict(sha, "success")
    assert verdict["description"].startswith("Merge")
    said = service.comment(number, "wave", "Merge", sha[:12])
    assert said["body"].count("## ") >= 1
    names = {VERDICT, "EkaCI: Configure", "EkaCI: Change Summary", "EkaCI: Evaluate Job (packages)"}
    service.wait(lambda: place.statuses(sha).keys() >= names)
    service.wait(lambda: {each["status"] for each in place.statuses(sha).values()} == {"success"})
    place.ada.ask("POST", f"{place.at}/pulls/{number}/merge", Do="merge")
    service.wait(lambda: json.loads(service.run("prs", place.path)) == [])


def test_what_happened_while_the_server_was_away_is_asked_for_when_it_starts(service: GiteaService) -> None:
    service.start()
    place = service.place
    service.stop()
    sha = place.push(place.ada, {"pkgs/late.nix": package("late")}, branch="late")
    place.open(place.ada, "late")
    service.start()
    service.verdict(sha, "success")


def test_what_fails_newly_is_told_and_the_comment_follows_the_pull_request(service: GiteaService) -> None:
    service.start()
    place = service.place
    sha = place.push(place.ada, {"pkgs/bad.nix": package("bad", "exit 1")}, branch="bad")
    number = place.open(place.ada, "bad")
    service.verdict(sha, "failure")
    first = service.comment(number, "Do not merge", "bad", sha[:12])
    service.wait(lambda: place.statuses(sha).get("bad / New (packages)", {}).get("status") == "failure")
    for each in place.every_status(sha):
        assert len(each["description"]) <= 255
        assert len(each["context"]) <= 255
    for _, those in itertools.groupby(place.every_status(sha), key=lambda each: each["context"]):
        said = [(each["status"], each["description"], each["target_url"]) for each in those]
        assert all(one != other for one, other in itertools.pairwise(said)), "nothing is said twice"
    # Somebody who answers by quoting it keeps what they wrote.
    place.say(place.ada, number, "\n".join(f"> {line}" for line in first["body"].splitlines()))
    after = place.push(place.ada, {"pkgs/bad.nix": package("bad")}, branch="bad", new=False)
    service.verdict(after, "success")
    last = service.comment(number, "Merge", after[:12])
    assert last["id"] == first["id"], "it was changed in its place"
    assert place.comments(number, place.ada)[0]["body"].startswith("> ")


def test_a_fork_waits_until_somebody_who_may_approves_by_a_comment(service: GiteaService) -> None:
    service.settings = "require_approval = true"
    service.start()
    place = service.place
    fork = place.fork(place.mallory)
    sha = place.push(place.mallory, {"README.md": "theirs\n"}, branch="theirs", path=fork)
    number = place.open(place.mallory, "theirs", fork=True)
    waiting = service.verdict(sha, "pending")
    assert waiting["description"] == "Waiting for an approval"
    service.comment(number, "/ekaci approve")
    assert service.states() == ["waiting"]
    refused = place.say(place.mallory, number, "/ekaci approve")
    service.wait(lambda: place.signs(refused) == ["-1"])
    assert service.states() == ["waiting"]
    accepted = place.say(place.ada, number, "@eka-ci approve")
    service.verdict(sha, "success")
    service.wait(lambda: place.signs(accepted) == ["+1"])
    service.comment(number, "Merge")


def test_a_push_over_a_build_stops_it(service: GiteaService) -> None:
    service.start()
    place = service.place
    before = place.push(place.ada, {"pkgs/slow.nix": SLOW}, branch="change")
    number = place.open(place.ada, "change")
    service.wait(lambda: "slow-1" in service.building())
    after = place.push(place.ada, {"README.md": "only words\n"}, branch="change")
    service.verdict(after, "success")
    service.verdict(before, "error")
    assert "slow-1" not in service.building()
    service.comment(number, after[:12])


def test_a_comment_has_it_reviewed_again(service: GiteaService, tmp_path: Path) -> None:
    there = tmp_path / "there"
    service.start()
    place = service.place
    sha = place.push(place.ada, {"pkgs/moody.nix": package("moody", f"test -e {there}")}, branch="moody")
    number = place.open(place.ada, "moody")
    service.verdict(sha, "failure")
    there.touch()
    asked = place.say(place.ada, number, "@eka-ci retry")
    service.verdict(sha, "success")
    service.wait(lambda: place.signs(asked) == ["+1"])
    assert service.rounds(sha) == [2]
    service.comment(number, "Merge")


def test_a_server_without_its_database_goes_on_with_the_same_comment(service: GiteaService) -> None:
    service.start()
    place = service.place
    sha = place.push(place.ada, {"README.md": "first\n"}, branch="words")
    number = place.open(place.ada, "words")
    service.verdict(sha, "success")
    first = service.comment(number, "Merge", sha[:12])
    service.stop()
    (service.folder / "db").rename(service.folder / "lost")
    service.start()
    sha = place.push(place.ada, {"README.md": "second\n"}, branch="words", new=False)
    service.verdict(sha, "success")
    assert service.comment(number, "Merge", sha[:12])["id"] == first["id"]


def test_operators_see_that_all_is_well_and_set_up_as_often_as_they_like(service: GiteaService) -> None:
    service.start()
    place = service.place
    for _ in range(2):
        (told,) = service.set_up()
        assert "is there" in told["findings"][0]["text"]
    assert len(place.octo.ask("GET", f"{place.at}/hooks")) == 1
    (checked,) = json.loads(service.run("forge", "check"))
    assert checked["fault"] == ""
    assert [each for each in checked["findings"] if not each["well"]] == []


def test_a_draft_that_becomes_ready_is_reviewed(service: GiteaService, tmp_path: Path) -> None:
    there = tmp_path / "there"
    service.start()
    place = service.place
    patient = package("patient", f"while ! test -e {there}; do /bin/sleep 0.1; done")
    sha = place.push(place.ada, {"pkgs/patient.nix": patient}, branch="draft")
    number = place.open(place.ada, "draft")
    service.wait(lambda: "patient-1" in service.building())
    place.ada.ask("PATCH", f"{place.at}/pulls/{number}", title="WIP: A change")
    service.wait(lambda: service.states() == ["closed"])
    service.wait(lambda: "patient-1" not in service.building())
    there.touch()
    place.ada.ask("PATCH", f"{place.at}/pulls/{number}", title="A change")
    service.verdict(sha, "success")


def test_a_server_that_gitea_cannot_reach_asks_for_news(service: GiteaService) -> None:
    service.mode = "poll"
    place = service.place
    sha = place.push(place.ada, {"README.md": "words\n"}, branch="words")
    number = place.open(place.ada, "words")
    service.start()
    service.verdict(sha, "success")
    service.comment(number, "Merge", sha[:12])
    asked = place.say(place.ada, number, "@eka-ci retry")
    service.run("poll")
    service.wait(lambda: place.signs(asked) == ["+1"])
    service.wait(lambda: service.rounds(sha) == [2])
    service.verdict(sha, "success")

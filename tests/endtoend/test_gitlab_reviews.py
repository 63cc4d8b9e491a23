"""From a push at GitLab to status and note, with a real server, real git, real Nix and real HTTP."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.endtoend.gitlab_place import REAL_TOKEN, REAL_URL, STRANGER_TOKEN, GitLabPlace, Tokens
from tests.endtoend.gitlab_service import GitLabService
from tests.endtoend.service import SECRET, SLOW, VERDICT, package_set
from tests.standins.gitlab.server import GitLab, running_gitlab

pytestmark = [pytest.mark.nix, pytest.mark.timeout(300)]


@contextmanager
def at_stand_in(folder: Path) -> Iterator[tuple[GitLab, Tokens]]:
    with running_gitlab(folder) as gitlab:
        world = gitlab.world
        tokens = [world.token(world.account(name)).value for name in ("ada", "project_7_bot_a1", "mallory")]
        yield gitlab, Tokens(*tokens)


@pytest.fixture(params=["stand-in", "real"])
def service(
    request: pytest.FixtureRequest, tmp_path: Path, nix_environment: Mapping[str, str]
) -> Iterator[GitLabService]:
    (tmp_path / "server").mkdir()
    with ExitStack() as stack:
        if request.param == "stand-in":
            stand_in, tokens = stack.enter_context(at_stand_in(tmp_path / "gitlab"))
            url = stand_in.url
        elif REAL_URL and REAL_TOKEN:
            stand_in, url, tokens = None, REAL_URL, Tokens(REAL_TOKEN, REAL_TOKEN, STRANGER_TOKEN)
        else:
            pytest.skip("EKACI_TEST_GITLAB_URL and EKACI_TEST_GITLAB_TOKEN name no real GitLab")
        client = stack.enter_context(httpx.Client(timeout=30, trust_env=False))
        place = GitLabPlace(url, tokens, client, stand_in)
        stack.callback(place.remove)
        place.make(package_set())
        service = GitLabService(place, tmp_path / "server", {**os.environ, **nix_environment})
        try:
            yield service
        finally:
            if service.process is not None:
                service.stop()
            assert "Traceback" not in service.log, service.log
            for secret in (tokens.server, SECRET):
                assert secret not in service.log


def package(name: str, build: str, version: str = "1") -> str:
    return f'{{ mkPackage }}: mkPackage {{ pname = "{name}"; version = "{version}"; build = "{build}"; }}\n'


def needs_stranger(service: GitLabService) -> None:
    if not service.place.tokens.stranger:
        pytest.skip("EKACI_TEST_GITLAB_STRANGER_TOKEN names nobody")


def test_a_change_may_be_merged_and_the_note_says_why(service: GitLabService) -> None:
    service.start()
    place = service.place
    assert place.path.count("/") == 2, "a group within a group"
    sha = place.commit({"pkgs/wave.nix": package("wave", "echo waved")}, "wave")
    request = place.open("wave")
    verdict = service.verdict(sha, "success")
    assert verdict["description"].startswith("Merge")
    wanted = {VERDICT, "EkaCI: Configure", "EkaCI: Evaluate Job (packages)", "EkaCI: Change Summary"}
    service.wait(lambda: wanted <= set(place.statuses(sha)))
    shown = place.statuses(sha)
    assert len({each["pipeline_id"] for each in shown.values()}) == 1, "all in one pipeline"
    assert {each["ref"] for each in shown.values()} == {"wave"}
    service.wait(lambda: any("wave" in text for text in service.told(request)))
    assert "wave-1" in service.built()


def test_what_fails_newly_blocks_and_its_bump_is_told_in_the_same_note(service: GitLabService) -> None:
    service.start()
    place = service.place
    place.commit({"pkgs/new.nix": package("new", "echo fine")}, "main")
    first = place.commit({"pkgs/new.nix": package("new", "echo oops; exit 3", "2")}, "bump")
    request = place.open("bump")
    service.verdict(first, "failed")
    service.wait(lambda: "new / Changed (packages)" in place.statuses(first))
    service.wait(lambda: any("new" in text for text in service.told(request)))
    (noted,) = [each for each in place.notes(request) if each["body"] in service.told(request)]
    second = place.commit({"pkgs/new.nix": package("new", "echo fine", "2")}, "bump")
    verdict = service.verdict(second, "success")
    assert verdict["description"].startswith("Merge")
    service.wait(lambda: any(second[:12] in text for text in service.told(request)))
    after = [each["id"] for each in place.notes(request)]
    assert after == [noted["id"]], "one note, changed in its place"


def test_nothing_of_a_stranger_runs_before_a_comment_approves_the_commit(service: GitLabService) -> None:
    needs_stranger(service)
    service.settings = "require_approval = true"
    service.start()
    place, stranger = service.place, service.place.tokens.stranger
    fork = place.fork()
    sha = place.commit({"README.md": "theirs\n"}, "theirs", project=fork, by=stranger)
    request = place.open("theirs", project=fork, by=stranger)
    service.verdict(sha, "pending")
    service.wait(lambda: service.states() == ["waiting"])
    refused = place.say(request, "/ekaci approve", by=stranger)
    service.wait(lambda: place.emoji(request, refused) == ["thumbsdown"])
    assert service.states() == ["waiting"]
    assert not service.ask("SELECT 1 FROM attempt"), "nothing was built"
    approved = place.say(request, "/ekaci approve")
    service.verdict(sha, "success")
    service.wait(lambda: place.emoji(request, approved) == ["thumbsup"])
    refs = {each["ref"] for each in place.statuses(sha).values()}
    assert refs == {f"refs/merge-requests/{request}/head"}, "reported in the project, not in the fork"
    assert place.api("GET", f"/projects/{fork}/repository/commits/{sha}/statuses", by=stranger) == []
    newer = place.commit({"README.md": "theirs again\n"}, "theirs", project=fork, by=stranger)
    service.verdict(newer, "pending")


def test_a_push_over_a_build_stops_it(service: GitLabService) -> None:
    service.start()
    place = service.place
    old = place.commit({"pkgs/slow.nix": SLOW}, "slow")
    place.open("slow")
    service.wait(lambda: "slow-1" in service.building())
    new = place.commit({"README.md": "words\n"}, "slow", force=True)
    service.verdict(new, "success")
    service.verdict(old, "canceled")
    service.wait(lambda: not service.building())


def test_a_comment_has_it_made_again(service: GitLabService, tmp_path: Path) -> None:
    there = tmp_path / "there"
    service.start()
    place = service.place
    sha = place.commit({"pkgs/moody.nix": package("moody", f"test -e {there}")}, "moody")
    request = place.open("moody")
    service.verdict(sha, "failed")
    there.touch()
    note = place.say(request, "/ekaci retry")
    service.verdict(sha, "success")
    service.wait(lambda: place.emoji(request, note) == ["thumbsup"])
    assert service.rounds(sha) == [2]


def test_the_note_is_found_again_without_the_database(service: GitLabService) -> None:
    service.start()
    place = service.place
    first = place.commit({"README.md": "one\n"}, "words")
    request = place.open("words")
    service.verdict(first, "success")
    service.wait(lambda: len(service.told(request)) == 1)
    (before,) = [each["id"] for each in place.notes(request)]
    service.stop()
    shutil.rmtree(service.folder / "db")
    service.start()
    second = place.commit({"README.md": "two\n"}, "words")
    service.verdict(second, "success")
    service.wait(lambda: any(second[:12] in text for text in service.told(request)))
    assert [each["id"] for each in place.notes(request)] == [before]


def test_a_merge_request_that_is_closed_is_given_up(service: GitLabService) -> None:
    service.start()
    place = service.place
    sha = place.commit({"pkgs/slow.nix": SLOW}, "slow")
    request = place.open("slow")
    service.wait(lambda: "slow-1" in service.building())
    place.close(request)
    service.verdict(sha, "canceled")
    service.wait(lambda: not service.building())


def test_commands_name_a_project_in_groups_within_groups(service: GitLabService) -> None:
    needs_stranger(service)
    service.settings = "require_approval = true"
    place, stranger = service.place, service.place.tokens.stranger
    service.start()
    fork = place.fork()
    sha = place.commit({"README.md": "theirs\n"}, "theirs", project=fork, by=stranger)
    request = place.open("theirs", project=fork, by=stranger)
    service.verdict(sha, "pending")
    (shown,) = json.loads(service.run("prs", place.path))
    assert (shown["number"], shown["sha"]) == (request, sha)
    assert json.loads(service.run("approve", place.path, str(request)))["sha"] == sha
    service.verdict(sha, "success")
    owner, _, name = place.path.rpartition("/")
    host = urlsplit(place.url).netloc
    again = json.loads(service.run("github", host, owner, name, str(request), "--again"))
    assert again["round"] == 2
    there = place.commit({"README.md": "words\n"}, "words")
    found = json.loads(service.run("git", host, owner, name, "words", "--wait"))
    assert found["review"]["sha"] == there
    (forge,) = json.loads(service.run("forge", "check"))
    assert [each["subject"] for each in forge["findings"] if not each["well"]] == []
    assert f"{host}/{place.path}" in [each["subject"] for each in forge["findings"]]


def test_a_merge_train_gets_its_verdict_in_its_own_pipeline(service: GitLabService) -> None:
    """At the stand-in alone: trains are for GitLab Premium."""
    gitlab = service.place.stand_in
    if gitlab is None:
        pytest.skip("merge trains need GitLab Premium and a pipeline of one's own")
    service.start()
    place = service.place
    project = gitlab.world.projects[place.number]
    for name in ("one", "two"):
        place.commit({f"pkgs/{name}.nix": package(name, "echo fine")}, name)
        place.open(name)
    first, second = project.merge_requests.values()
    ahead = gitlab.acts.train(project, first)
    behind = gitlab.acts.train(project, second, onto=ahead.sha)
    for pipeline in (ahead, behind):
        verdict = service.verdict(pipeline.sha, "success")
        assert verdict["pipeline_id"] == pipeline.id
    (told,) = service.ask(f"SELECT base_sha, ref FROM review WHERE head_sha = '{behind.sha}'")  # noqa: S608
    assert told == (ahead.sha, f"refs/merge-requests/{second.iid}/train"), "compared with the train before it"
    third = gitlab.acts.open(project, "one", by="ada", title="Slow")
    gitlab.acts.push(project, {"pkgs/slow.nix": SLOW}, branch="one", by="ada")
    slow = gitlab.acts.train(project, third)
    service.wait(lambda: "slow-1" in service.building())
    gitlab.acts.close(project, first)
    gitlab.acts.close(project, third)
    gitlab.acts.moved(project, third, slow, "canceled")
    service.verdict(slow.sha, "canceled")
    service.wait(lambda: not service.building())


def test_a_server_that_no_webhook_reaches_asks_for_itself(service: GitLabService) -> None:
    service.polls = True
    service.start()
    place = service.place
    sha = place.commit({"README.md": "words\n"}, "words")
    request = place.open("words")
    service.verdict(sha, "success")
    note = place.say(request, "/ekaci retry")
    service.wait(lambda: place.emoji(request, note) == ["thumbsup"])
    service.wait(lambda: service.rounds(sha) == [2])
    place.close(request)
    closed = f"SELECT state FROM pull_request WHERE number = {request}"  # noqa: S608 - our own number
    service.wait(lambda: service.ask(closed) == [("closed",)])
    assert place.api("GET", f"/projects/{place.number}/hooks") == []

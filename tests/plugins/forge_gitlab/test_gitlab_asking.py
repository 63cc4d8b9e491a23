"""What is asked of GitLab: merge requests, people, projects, and what happens on the way."""

from __future__ import annotations

import attrs
import pytest
from tests.plugins.forge_gitlab.conftest import OpenForge, Scene
from tests.standins.github import faults
from tests.standins.github.exchange import Answer
from tests.standins.github.git import Bare
from tests.standins.gitlab.records import DEVELOPER, GUEST, MAINTAINER, REPORTER

from ekaci_core.api import InfrastructureFault, Permission, Permissions, Person, PullRequestState, RepositoryId
from ekaci_core.testing.forge_laboratory import RecordingLogger
from ekaci_forge_gitlab.forge import GitLabForge

pytestmark = pytest.mark.anyio


def somebody(scene: Scene, username: str) -> Person:
    return Person(username, scene.gitlab.world.account(username).id)


# --- merge requests


async def test_states_of_a_merge_request(forge: GitLabForge, scene: Scene) -> None:
    acts = scene.gitlab.acts
    request = scene.request()
    for state, wanted in (
        ("opened", PullRequestState.OPEN),
        ("locked", PullRequestState.OPEN),
        ("merged", PullRequestState.MERGED),
        ("closed", PullRequestState.CLOSED),
    ):
        request.state = state
        found = await forge.pull_request(scene.repository, request.iid)
        assert found is not None
        assert found.state is wanted
    request.state = "opened"
    acts.retitle(scene.place, request, "Draft: later")
    found = await forge.pull_request(scene.repository, request.iid)
    assert found is not None
    assert found.draft


async def test_a_fork_that_may_be_seen_has_its_name_and_another_has_none(forge: GitLabForge, scene: Scene) -> None:
    fork = scene.gitlab.world.fork(scene.place, "mallory")
    request = scene.request("theirs", source=fork, by="mallory")
    hidden = await forge.pull_request(scene.repository, request.iid)
    assert hidden is not None
    assert hidden.head_repository is None
    assert hidden.is_from_fork
    fork.private = False
    shown = await forge.pull_request(scene.repository, request.iid)
    assert shown is not None
    assert shown.head_repository == RepositoryId(scene.gitlab.host, "mallory/place")
    request.source = None
    gone = await forge.pull_request(scene.repository, request.iid)
    assert gone is not None
    assert gone.head_repository is None


async def test_many_forks_and_branches_cost_one_question_each(forge: GitLabForge, scene: Scene) -> None:
    fork = scene.gitlab.world.fork(scene.place, "mallory")
    for number in range(6):
        scene.request(f"theirs-{number}", source=fork, by="mallory")
    found = await forge.open_pull_requests(scene.repository)
    assert len(found) == 6
    assert scene.asked("GET", f"/projects/{fork.id}") == 1
    assert scene.asked("GET", "/branches/main") == 1


async def test_a_merge_request_without_its_target_branch_is_left_out(
    forge: GitLabForge, scene: Scene, log: RecordingLogger
) -> None:
    scene.gitlab.acts.push(scene.place, {"b": "b"}, branch="next")
    request = scene.request()
    scene.gitlab.acts.retarget(scene.place, request, "next")
    other = scene.request("other")
    scene.gitlab.acts.delete_branch(scene.place, "next")
    assert [each.number for each in await forge.open_pull_requests(scene.repository)] == [other.iid]
    assert any("target branch is gone" in line for line in log.lines)


async def test_an_answer_that_has_not_changed_is_not_sent_again(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request()
    first = await forge.pull_request(scene.repository, request.iid)
    assert await forge.pull_request(scene.repository, request.iid) == first
    assert [each.status for each in scene.gitlab.seen if each.path.endswith("/merge_requests/1")] == [200, 304]


async def test_times_are_whole_as_those_of_notes_are(forge: GitLabForge, scene: Scene) -> None:
    """A comment that approves must not seem to be older than the merge request that it is on."""
    request = scene.request()
    request.updated_at = 1_700_000_000.9
    found = await forge.pull_request(scene.repository, request.iid)
    assert found is not None
    assert found.updated_at == 1_700_000_000.0


# --- people


@pytest.mark.parametrize(
    ("level", "wanted"),
    [
        (5, Permission.NONE),
        (GUEST, Permission.READ),
        (15, Permission.READ),
        (REPORTER, Permission.TRIAGE),
        (25, Permission.TRIAGE),
        (DEVELOPER, Permission.WRITE),
        (MAINTAINER, Permission.MAINTAIN),
        (50, Permission.ADMIN),
    ],
)
async def test_who_is_a_developer_may_write(forge: GitLabForge, scene: Scene, level: int, wanted: Permission) -> None:
    person = somebody(scene, "peter")
    scene.place.members[person.id] = level
    assert await forge.permission(scene.repository, person) is wanted


async def test_members_of_the_groups_above_are_members(forge: GitLabForge, scene: Scene) -> None:
    assert await forge.permission(scene.repository, somebody(scene, "gustav")) is Permission.WRITE
    assert await forge.permission(scene.repository, somebody(scene, "olga")) is Permission.ADMIN
    assert await forge.permission(scene.repository, somebody(scene, "nora")) is Permission.NONE


async def test_who_is_blocked_may_do_nothing(forge: GitLabForge, scene: Scene) -> None:
    scene.gitlab.world.account("wanda").state = "blocked"
    assert await forge.permission(scene.repository, somebody(scene, "wanda")) is Permission.NONE


async def test_an_answer_about_somebody_else_gives_nothing(forge: GitLabForge, scene: Scene) -> None:
    answer = Answer({"id": 4711, "username": "wanda", "state": "active", "access_level": 50})
    scene.gitlab.fail(faults.Fault(faults.Trouble.STATUS, answer, path=".*/members/all/.*"))
    assert await forge.permission(scene.repository, somebody(scene, "wanda")) is Permission.NONE


async def test_an_answer_counts_for_a_while_and_for_that_person_alone(forge: GitLabForge, scene: Scene) -> None:
    wanda = somebody(scene, "wanda")
    for _ in range(3):
        assert await forge.permission(scene.repository, wanda) is Permission.WRITE
    assert scene.asked("GET", f"/members/all/{wanda.id}") == 1
    assert await forge.permission(scene.repository, attrs.evolve(wanda, login="w/anda")) is Permission.NONE


# --- projects


async def test_projects_that_may_be_written_to_on_all_pages(open_forge: OpenForge, scene: Scene) -> None:
    world = scene.gitlab.world
    world.longest_page = 2
    for number in range(5):
        world.project(f"octo/many/p{number}", members={scene.bot.username: DEVELOPER})
    world.project("octo/many/read", members={scene.bot.username: REPORTER})
    permitted = Permissions(allow_all=False, allowed_repos=("octo/many/*",))
    async with open_forge(permissions=permitted) as forge:
        found = [each.path for each in await forge.repositories()]
    assert found == [f"octo/many/p{number}" for number in range(5)]


async def test_a_renamed_project_is_followed_for_questions(forge: GitLabForge, scene: Scene) -> None:
    request = scene.request()
    there = f"{scene.gitlab.url}/api/v4/projects/{scene.place.id}/merge_requests/{request.iid}"
    moved = faults.status(301, headers={"location": there}, path=".*place/.*", times=1)
    scene.gitlab.fail(moved)
    found = await forge.pull_request(scene.repository, request.iid)
    assert found is not None
    assert found.head_sha == request.sha


async def test_a_token_goes_to_no_other_host(forge: GitLabForge, scene: Scene) -> None:
    scene.gitlab.fail(faults.status(302, headers={"location": "https://elsewhere.example.org/"}))
    with pytest.raises(InfrastructureFault, match="another host"):
        await forge.pull_request(scene.repository, 1)
    link = {"link": '<https://elsewhere.example.org/?page=2>; rel="next"'}
    scene.gitlab.recover()
    answer = faults.Fault(faults.Trouble.STATUS, Answer([], 200, link))
    scene.gitlab.fail(answer)
    with pytest.raises(InfrastructureFault, match="another host"):
        await forge.open_pull_requests(scene.repository)


async def test_files_in_large_folders_are_found(forge: GitLabForge, scene: Scene) -> None:
    scene.gitlab.world.longest_page = 3
    files = {f"folder/{number:02}.nix": str(number) for number in range(20)}
    scene.gitlab.acts.push(scene.place, files)
    assert await forge.read_file(scene.repository, "folder/19.nix", scene.main) == b"19"
    assert await forge.read_file(scene.repository, "folder/20.nix", scene.main) is None
    assert Bare(scene.place.folder).entry(scene.main, "folder") is not None


# --- limits


@pytest.mark.parametrize(
    ("status", "fields", "least", "most"),
    [
        (429, {"retry-after": "17"}, 16, 17),
        (429, {"ratelimit-remaining": "0", "ratelimit-reset": "0"}, 0, 1),
        (429, {}, 59, 60),
        (503, {"retry-after": "120"}, 119, 120),
    ],
)
async def test_gitlab_says_how_long_to_wait(  # noqa: PLR0917 - a table
    forge: GitLabForge, scene: Scene, status: int, fields: dict[str, str], least: float, most: float
) -> None:
    scene.gitlab.fail(faults.status(status, headers=fields))
    with pytest.raises(InfrastructureFault) as caught:
        await forge.repositories()
    assert least <= getattr(caught.value, "retry_after_seconds", -1) <= most


async def test_the_last_request_of_a_minute_is_the_last_one(forge: GitLabForge, scene: Scene) -> None:
    scene.gitlab.limits.requests = 1
    await forge.repositories()
    before = len(scene.gitlab.seen)
    with pytest.raises(InfrastructureFault, match="pause"):
        await forge.repositories()
    assert len(scene.gitlab.seen) == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "404 Project Not Found"}, "404 Project Not Found"),
        ({"message": {"name": ["is too long"]}}, "is too long"),
        ({"error": "insufficient_scope", "error_description": "x"}, "insufficient_scope"),
        ([], "Forbidden"),
    ],
)
async def test_gitlabs_own_words_are_told(forge: GitLabForge, scene: Scene, body: object, said: str) -> None:
    scene.gitlab.fail(faults.Fault(faults.Trouble.STATUS, Answer(body, 403)))
    with pytest.raises(InfrastructureFault, match="403") as caught:
        await forge.repositories()
    assert said in str(caught.value)

"""What is asked of GitHub, over real HTTP."""

from __future__ import annotations

import base64
from typing import Any

import anyio
import pytest
from tests.plugins.forge_github.conftest import (
    CANARY,
    INSTALLATION,
    MovableClock,
    Notes,
    OpenForge,
    Says,
    SmallGitHub,
)
from tests.plugins.forge_github.payloads import HEAD, OCTOCAT, pull_request

from ekaci_core.api import (
    Branch,
    CommitSha,
    InfrastructureFault,
    Permission,
    Permissions,
    Person,
    PullRequestState,
    Received,
    RepositoryId,
)
from ekaci_forge_github.faults import ApiFault, NotInstalled
from ekaci_forge_github.forge import GitHubForge

pytestmark = pytest.mark.anyio

REPO = "/repos/octo-org/Hello-World"
PULL = f"{REPO}/pulls/2"
TOKENS = f"/app/installations/{INSTALLATION}/access_tokens"
WHO = Person("octocat", 583231)


@pytest.fixture
def here(github: SmallGitHub) -> RepositoryId:
    return RepositoryId.parse(github.host, "octo-org/Hello-World")


async def test_a_pull_request_is_asked_for_with_a_token_for_this_use(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    github.on("GET", PULL, Says(pull_request()))
    found = await forge.pull_request(here, 2)
    assert found is not None
    assert (found.number, found.head_sha, found.state) == (2, HEAD, PullRequestState.OPEN)
    (token,) = github.asked("POST", TOKENS)
    assert token.document == {"repositories": ["Hello-World"], "permissions": {"pull_requests": "read"}}
    (asked,) = github.asked("GET", PULL)
    assert asked.fields["authorization"] == f"Bearer {CANARY}1"
    assert asked.fields["accept"] == "application/vnd.github.v3+json"
    assert asked.fields["x-github-api-version"] == "2022-11-28"
    assert asked.fields["user-agent"] == "EkaCI"


async def test_what_has_not_changed_is_not_sent_again(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    github.on("GET", PULL, Says(pull_request(), fields={"ETag": 'W/"1"'}), Says(status=304))
    first = await forge.pull_request(here, 2)
    assert await forge.pull_request(here, 2) == first
    assert [each.fields.get("if-none-match") for each in github.asked("GET", PULL)] == [None, 'W/"1"']


async def test_a_pull_request_that_is_not_there(forge: GitHubForge, here: RepositoryId) -> None:
    assert await forge.pull_request(here, 3) is None


async def test_an_answer_that_is_none_is_a_fault(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    github.on("GET", PULL, Says({"number": None}), Says(["x"]), Says(raw=b"<html>"))
    for _ in range(3):
        with pytest.raises(InfrastructureFault, match="not understood"):
            await forge.pull_request(here, 2)


async def test_all_pages_are_read(github: SmallGitHub, forge: GitHubForge, here: RepositoryId, notes: Notes) -> None:
    following = {"Link": f'<{github.url}{REPO}/pulls?page=2>; rel="next", <{github.url}/x>; rel="last"'}
    first = [pull_request(number=1), pull_request(number=2, head=None)]
    github.on("GET", f"{REPO}/pulls", Says(first, fields=following), Says([pull_request(number=3)]))
    assert [each.number for each in await forge.open_pull_requests(here)] == [1, 3]
    one, two = github.asked("GET", f"{REPO}/pulls")
    assert one.query == {"state": "open", "sort": "created", "direction": "asc", "per_page": "100"}
    assert two.query == {"page": "2"}
    assert [line for line in notes.lines if line.startswith("pull_request_not_understood")]


async def test_a_page_elsewhere_is_not_asked_for(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    github.on("GET", f"{REPO}/pulls", Says([], fields={"Link": '<https://evil.example/x>; rel="next"'}))
    with pytest.raises(ApiFault, match="another host"):
        await forge.open_pull_requests(here)


async def test_a_repository_that_was_renamed_is_followed_here_and_nowhere_else(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    github.on("GET", PULL, Says({}, 301, {"Location": f"{github.url}/repositories/1/pulls/2"}))
    github.on("GET", "/repositories/1/pulls/2", Says(pull_request()))
    assert await forge.pull_request(here, 2) is not None
    github.on("GET", PULL, Says({}, 301, {"Location": "https://evil.example/"}))
    with pytest.raises(ApiFault, match="another host"):
        await forge.pull_request(here, 2)
    github.on("GET", PULL, Says({}, 302, {"Location": PULL}))
    with pytest.raises(ApiFault, match="too many redirections"):
        await forge.pull_request(here, 2)


async def test_repositories_of_all_installations(github: SmallGitHub, open_forge: OpenForge) -> None:
    github.on(
        "GET", "/app/installations", Says([{"id": INSTALLATION}, {"id": 8, "suspended_at": "2020-01-01T00:00:00Z"}])
    )
    listed = [{"full_name": "octo-org/b"}, {"full_name": "octo-org/a"}, {"full_name": "mona/c"}, {"full_name": "-"}]
    github.on("GET", "/installation/repositories", Says({"total_count": 4, "repositories": listed}))
    permitted = Permissions(allow_all=False, allowed_repos=("Octo-Org/*",))
    async with open_forge(permissions=permitted) as forge:
        found = await forge.repositories()
        assert [each.path for each in found] == ["octo-org/a", "octo-org/b"]
        assert github.asked("POST", TOKENS)[0].document == {"permissions": {"metadata": "read"}}
        # Whose they are is known now.
        await forge.clone_access(found[0])
    assert not github.asked("GET", "/repos/octo-org/a/installation")


async def test_part_of_the_repositories_is_no_answer(github: SmallGitHub, forge: GitHubForge) -> None:
    github.on("GET", "/app/installations", Says([{"id": INSTALLATION}, {"id": 9}]))
    github.on("GET", "/installation/repositories", Says({"repositories": []}))
    with pytest.raises(ApiFault, match="404"):
        await forge.repositories()


PERMISSION = f"{REPO}/collaborators/octocat/permission"


@pytest.mark.parametrize(
    ("named", "wanted"),
    [
        (("admin", "admin"), Permission.ADMIN),
        (("write", "maintain"), Permission.MAINTAIN),
        (("write", "write"), Permission.WRITE),
        (("write", "made-up"), Permission.WRITE),
        (("read", "triage"), Permission.TRIAGE),
        (("read", "admin"), Permission.READ),
        (("none", "none"), Permission.NONE),
        (("unheard-of", ""), Permission.NONE),
    ],
)
async def test_permissions(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, named: tuple[str, str], wanted: Permission
) -> None:
    github.on("GET", PERMISSION, Says({"permission": named[0], "role_name": named[1], "user": OCTOCAT}))
    assert await forge.permission(here, WHO) is wanted


async def test_a_permission_counts_for_five_minutes(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, clock: MovableClock
) -> None:
    admin: dict[str, Any] = {"permission": "admin", "role_name": "admin", "user": OCTOCAT}
    github.on("GET", PERMISSION, Says(admin), Says({"message": "Not Found"}, 404))
    assert await forge.permission(here, WHO) is Permission.ADMIN
    clock.ahead = 290
    assert await forge.permission(here, WHO) is Permission.ADMIN
    assert len(github.asked("GET", PERMISSION)) == 1
    clock.ahead = 310
    assert await forge.permission(here, WHO) is Permission.NONE


async def test_a_name_that_somebody_else_has_now_permits_nothing(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    github.on("GET", PERMISSION, Says({"permission": "admin", "role_name": "admin", "user": OCTOCAT}))
    assert await forge.permission(here, Person("octocat", 1)) is Permission.NONE


async def test_a_fault_is_no_permission_and_not_remembered(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    github.on("GET", PERMISSION, Says({"message": "no"}, 403), Says({"permission": "admin", "user": OCTOCAT}))
    with pytest.raises(ApiFault):
        await forge.permission(here, WHO)
    assert await forge.permission(here, WHO) is Permission.ADMIN


FOLDER, FILE = f"{REPO}/contents/.eka-ci", f"{REPO}/contents/.eka-ci/config.json"


def entry(kind: str = "file", size: int = 2) -> Says:
    return Says([{"name": "other", "type": "file", "size": 1}, {"name": "config.json", "type": kind, "size": size}])


async def test_a_file_is_read_as_it_is(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    github.on("GET", FOLDER, entry())
    github.on("GET", FILE, Says(raw=b"\xff\x00{}"))
    assert await forge.read_file(here, ".eka-ci/config.json", CommitSha(HEAD)) == b"\xff\x00{}"
    (asked,) = github.asked("GET", FILE)
    assert asked.query == {"ref": HEAD}
    assert asked.fields["accept"] == "application/vnd.github.v3.raw+json"
    assert github.asked("POST", TOKENS)[0].document["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("kind", ["symlink", "dir", "submodule"])
async def test_what_is_no_file_is_not_followed(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, kind: str
) -> None:
    github.on("GET", FOLDER, entry(kind))
    github.on("GET", FILE, Says(raw=b"root:x:0:0"))
    assert await forge.read_file(here, ".eka-ci/config.json", CommitSha(HEAD)) is None
    assert not github.asked("GET", FILE)


async def test_a_folder_that_is_a_link_is_not_followed(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    github.on("GET", FOLDER, Says({"type": "symlink", "name": ".eka-ci", "target": "elsewhere"}))
    assert await forge.read_file(here, ".eka-ci/config.json", CommitSha(HEAD)) is None


async def test_a_file_that_is_too_long_is_as_good_as_none(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, notes: Notes
) -> None:
    github.on("GET", FOLDER, entry(size=50 * 1024 * 1024))
    assert await forge.read_file(here, ".eka-ci/config.json", CommitSha(HEAD)) is None
    assert not github.asked("GET", FILE)
    assert len([line for line in notes.lines if line.startswith("file_too_long")]) == 1
    github.on("GET", FOLDER, entry(size=1))
    github.on("GET", FILE, Says(raw=b"x" * (1024 * 1024 + 1)))
    assert await forge.read_file(here, ".eka-ci/config.json", CommitSha(HEAD)) is None
    assert len(github.asked("GET", FILE)) == 1


@pytest.mark.parametrize("path", ["", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a\0b", "a\x1b"])
async def test_a_path_that_leads_elsewhere_is_not_asked_for(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, path: str
) -> None:
    assert await forge.read_file(here, path, CommitSha(HEAD)) is None
    assert github.seen == []


async def test_names_are_quoted(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    assert await forge.read_file(here, "a b?ref=x#/c", CommitSha(HEAD)) is None
    assert github.seen[-1].path == f"{REPO}/contents/a b?ref=x#"
    assert github.seen[-1].query == {"ref": HEAD}


async def test_a_commit_may_come_a_little_later(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    unknown = Says({"message": f"No commit found for the ref {HEAD}"}, 404)
    github.on("GET", FOLDER, unknown, entry())
    github.on("GET", FILE, Says(raw=b"{}"))
    assert await forge.read_file(here, ".eka-ci/config.json", CommitSha(HEAD)) == b"{}"
    github.on("GET", FOLDER, unknown)
    assert await forge.read_file(here, ".eka-ci/config.json", CommitSha(HEAD)) is None


@pytest.mark.parametrize("answer", [Says("x"), Says({"message": "?"}), Says(raw=b"<html>")])
async def test_what_is_no_folder_is_a_fault(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, answer: Says
) -> None:
    github.on("GET", FOLDER, answer)
    with pytest.raises(ApiFault):
        await forge.read_file(here, ".eka-ci/config.json", CommitSha(HEAD))


@pytest.mark.parametrize("login", ["", "..", "../admins", "a/b", "%2e%2e", "?", "\n", "x" * 200])
async def test_what_is_no_login_is_not_asked_for(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, login: str
) -> None:
    assert await forge.permission(here, Person(login, 1)) is Permission.NONE
    assert github.seen == []


async def test_a_clone_gets_a_token_that_reads_this_repository(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    access = await forge.clone_access(here)
    assert access.url == f"{github.url}/octo-org/Hello-World.git"
    scheme, _, pair = access.headers["Authorization"].reveal().partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", f"x-access-token:{CANARY}1".encode())
    assert github.asked("POST", TOKENS)[0].document == {
        "repositories": ["Hello-World"],
        "permissions": {"contents": "read"},
    }
    assert CANARY not in repr(access)
    assert pair not in repr(access)
    assert access.url.find("@") == -1


async def test_where_the_app_is_not_installed(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    github.installed = False
    for ask in (
        lambda: forge.pull_request(here, 2),
        lambda: forge.permission(here, WHO),
        lambda: forge.clone_access(here),
        lambda: forge.read_file(here, "x", CommitSha(HEAD)),
    ):
        with pytest.raises(NotInstalled, match="not installed"):
            await ask()


async def test_another_forges_repository_is_not_ours(github: SmallGitHub, forge: GitHubForge) -> None:
    there = RepositoryId.parse("gitlab.com", "octo-org/Hello-World")
    assert not forge.serves(there)
    with pytest.raises(ApiFault, match="another forge"):
        await forge.pull_request(there, 2)
    with pytest.raises(ApiFault, match="another forge"):
        await forge.clone_access(there)
    assert github.seen == []


async def test_what_is_served(open_forge: OpenForge, github: SmallGitHub, here: RepositoryId) -> None:
    permitted = Permissions(allow_all=False, allowed_repos=("octo-org/*",), allowed_branches=("main", "release/*"))
    other = RepositoryId.parse(github.host, "mona/Hello-World")
    async with open_forge(permissions=permitted) as forge:
        assert forge.serves(here)
        assert not forge.serves(other)
        assert forge.serves(here, Branch("release/1"))
        assert not forge.serves(here, Branch("topic"))
        assert forge.write_budget(here).key != forge.write_budget(other).key
        assert (forge.write_budget(here).per_minute, forge.write_budget(here).per_hour) == (70, 450)
        assert forge.pull_request_ref(2) == "refs/pull/2/head"


async def test_many_who_need_a_token_wait_for_one(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(forge.clone_access, here)
    assert len(github.asked("POST", TOKENS)) == 1
    assert len(github.asked("GET", f"{REPO}/installation")) == 1


async def test_a_token_is_made_anew_before_it_expires(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, clock: MovableClock
) -> None:
    await forge.clone_access(here)
    clock.ahead = 45 * 60
    await forge.clone_access(here)
    assert len(github.asked("POST", TOKENS)) == 1
    clock.ahead = 55 * 60
    await forge.clone_access(here)
    assert len(github.asked("POST", TOKENS)) == 2


async def test_an_installation_that_was_made_anew_is_found(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId, clock: MovableClock
) -> None:
    await forge.clone_access(here)
    clock.ahead = 3600
    github.on("GET", f"{REPO}/installation", Says({"id": 99}))
    github.on("POST", TOKENS, Says({"message": "Not Found"}, 404))
    github.on("POST", "/app/installations/99/access_tokens", github.token())
    await forge.clone_access(here)
    assert len(github.asked("GET", f"{REPO}/installation")) == 2


async def test_a_delivery_tells_whose_it_is(github: SmallGitHub, forge: GitHubForge, here: RepositoryId) -> None:
    body = (
        b'{"action": "created", "repositories": [{"full_name": "octo-org/Hello-World"}], "installation":'
        b' {"id": 7, "account": {"login": "octo-org"}, "repository_selection": "selected"}}'
    )
    forge.parse(Received("1", "installation", body))
    await forge.clone_access(here)
    assert not github.asked("GET", f"{REPO}/installation")
    forge.parse(Received("2", "installation", body.replace(b"created", b"deleted")))
    await forge.clone_access(here)
    assert len(github.asked("GET", f"{REPO}/installation")) == 1


async def test_a_permission_that_the_app_lacks_is_named(
    github: SmallGitHub, forge: GitHubForge, here: RepositoryId
) -> None:
    refusal = {"message": "The permissions requested are not granted to this installation."}
    github.on("POST", TOKENS, Says(refusal, 422))
    with pytest.raises(ApiFault, match=r"no token with contents: read: .*not granted") as caught:
        await forge.clone_access(here)
    assert caught.value.status == 403
    assert caught.value.do is not None
    assert "ekaci forge check" in caught.value.do

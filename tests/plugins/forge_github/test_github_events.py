"""Deliveries as events: every kind that counts, and nothing that raises."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.forge_github.payloads import BASE, FORK, HEAD, MONA, OCTOCAT, REPOSITORY, delivery, pull_request

from ekaci_core.api import (
    Branch,
    BranchPushed,
    CheckActionRequested,
    CommentCreated,
    CommitSha,
    ForgeEvent,
    Ignored,
    InstallationAction,
    InstallationChanged,
    MergeGroupAction,
    MergeGroupChanged,
    Opinion,
    Person,
    Ping,
    PullRequestAction,
    PullRequestChanged,
    PullRequestReviewed,
    PullRequestState,
    Received,
    RepositoryAction,
    RepositoryChanged,
    RepositoryId,
    RerunRequested,
    WorkflowRequested,
)
from ekaci_forge_github.events import parse

HOST = "github.com"
HERE = RepositoryId(HOST, "octo-org/Hello-World")
WHO = Person("octocat", 583231)
NOTHING = "0" * 40


def understood(kind: str, body: Any) -> ForgeEvent | Ignored:
    return parse(Received("1", kind, json.dumps(body).encode()), HOST)


def changed(action: str, **parts: Any) -> PullRequestChanged:
    event = understood("pull_request", delivery(action, number=2, **({"pull_request": pull_request()} | parts)))
    assert isinstance(event, PullRequestChanged), event
    return event


def test_ping() -> None:
    assert understood("ping", {"zen": "Design for failure.", "hook_id": 1}) == Ping()


@pytest.mark.parametrize(
    ("action", "wanted"),
    [(each.value, each) for each in PullRequestAction if each is not PullRequestAction.RETARGETED],
)
def test_every_action_of_a_pull_request_that_counts(action: str, wanted: PullRequestAction) -> None:
    event = changed(action)
    assert (event.action, event.actor) == (wanted, WHO)


def test_a_pull_request_is_understood_whole() -> None:
    found = changed("opened").pull_request
    assert (found.repository, found.number, found.author) == (HERE, 2, WHO)
    assert (found.base, found.base_sha, found.head, found.head_sha) == ("main", BASE, "changes", HEAD)
    assert found.head_repository == RepositoryId(HOST, "mona/Hello-World")
    assert found.is_from_fork
    assert (found.state, found.draft, found.updated_at) == (PullRequestState.OPEN, False, 1557933634.0)


def test_an_edit_of_the_base_is_another_thing_than_one_of_the_title() -> None:
    base = {"base": {"ref": {"from": "old"}, "sha": {"from": BASE}}}
    assert changed("edited", changes=base).action is PullRequestAction.RETARGETED
    assert changed("edited", changes={"title": {"from": "old"}}).action is PullRequestAction.EDITED


def test_states_of_a_pull_request() -> None:
    assert changed("closed", pull_request=pull_request(state="closed")).pull_request.state is PullRequestState.CLOSED
    merged = pull_request(state="closed", merged=True, merged_at="2019-05-15T15:20:34Z")
    assert changed("closed", pull_request=merged).pull_request.state is PullRequestState.MERGED
    assert changed("converted_to_draft", pull_request=pull_request(draft=True)).pull_request.draft


def test_a_fork_and_an_account_that_are_gone() -> None:
    gone = pull_request(user=None)
    gone["head"] = {**gone["head"], "repo": None, "user": None}
    found = changed("synchronize", pull_request=gone).pull_request
    assert found.head_repository is None
    assert found.is_from_fork
    assert found.author.login == "ghost"


def test_titles_and_bodies_are_text_and_nothing_else() -> None:
    title = changed("opened", pull_request=pull_request(title="a\x1b[31m\r\nb\ud800")).pull_request.title
    assert title == "a\ufffd[31m b\ufffd"
    title.encode()


def test_a_merge_group() -> None:
    group = {
        "head_sha": HEAD,
        "head_ref": "refs/heads/gh-readonly-queue/main/pr-2-f95f852",
        "base_sha": BASE,
        "base_ref": "refs/heads/main",
        "head_commit": {"id": HEAD, "author": {"name": "The Octocat", "email": "octocat@example.org"}},
    }
    event = understood("merge_group", delivery("checks_requested", merge_group=group))
    branches = Branch("main"), CommitSha(BASE), Branch("gh-readonly-queue/main/pr-2-f95f852"), CommitSha(HEAD)
    assert event == MergeGroupChanged(MergeGroupAction.CHECKS_REQUESTED, HERE, *branches, "The Octocat")
    ended = understood("merge_group", delivery("destroyed", merge_group=group, reason="merged"))
    assert isinstance(ended, MergeGroupChanged)
    assert ended.action is MergeGroupAction.DESTROYED


def test_buttons_and_re_runs() -> None:
    run = {"id": 4, "name": "EkaCI: Verdict", "head_sha": HEAD, "external_id": "", "status": "completed"}
    again = understood("check_run", delivery("rerequested", check_run=run))
    assert again == RerunRequested(HERE, CommitSha(HEAD), "EkaCI: Verdict", WHO)
    pressed = understood(
        "check_run", delivery("requested_action", check_run=run, requested_action={"identifier": "approve"})
    )
    assert pressed == CheckActionRequested(HERE, CommitSha(HEAD), "EkaCI: Verdict", "approve", WHO)
    suite = {"id": 5, "head_branch": "main", "head_sha": HEAD}
    assert understood("check_suite", delivery("rerequested", check_suite=suite)) == RerunRequested(
        HERE, CommitSha(HEAD), None, WHO
    )


def comment(**changes: Any) -> dict[str, Any]:
    return {"id": 492700400, "body": "/approve", "user": OCTOCAT, "created_at": "2019-05-15T15:20:21Z"} | changes


def test_a_comment_on_a_pull_request() -> None:
    issue = {"number": 2, "pull_request": {"url": "https://api.github.com/repos/octo-org/Hello-World/pulls/2"}}
    event = understood("issue_comment", delivery("created", issue=issue, comment=comment()))
    assert event == CommentCreated(HERE, 2, 492700400, "/approve", WHO, by_bot=False, created_at=1557933621.0)
    bot = {"login": "renovate[bot]", "id": 9, "type": "Bot"}
    event = understood("issue_comment", delivery("created", issue=issue, comment=comment(user=bot)))
    assert isinstance(event, CommentCreated)
    assert event.by_bot
    assert event.author.login == "renovate[bot]"


def test_a_comment_on_an_issue_is_not_for_us() -> None:
    event = understood("issue_comment", delivery("created", issue={"number": 2}, comment=comment()))
    assert event == Ignored("issue_comment: not on a pull request")


@pytest.mark.parametrize(
    ("action", "state", "wanted"),
    [
        ("submitted", "approved", Opinion.APPROVED),
        ("submitted", "changes_requested", Opinion.CHANGES_REQUESTED),
        ("submitted", "commented", Opinion.COMMENTED),
        ("dismissed", "dismissed", Opinion.DISMISSED),
    ],
)
def test_a_review(action: str, state: str, wanted: Opinion) -> None:
    review = {"id": 237895671, "user": MONA, "body": None, "commit_id": HEAD, "state": state}
    event = understood("pull_request_review", delivery(action, review=review, pull_request=pull_request()))
    assert event == PullRequestReviewed(HERE, 2, CommitSha(HEAD), wanted, Person("mona", 2))


def test_a_push() -> None:
    body = delivery(ref="refs/heads/main", before=BASE, after=HEAD, created=False, deleted=False)
    shas = CommitSha(BASE), CommitSha(HEAD)
    assert understood("push", body) == BranchPushed(HERE, Branch("main"), *shas, is_default=True, actor=WHO)
    made = understood("push", body | {"ref": "refs/heads/release/1", "before": NOTHING})
    assert made == BranchPushed(HERE, Branch("release/1"), None, shas[1], is_default=False, actor=WHO)
    gone = understood("push", body | {"after": NOTHING, "sender": None})
    assert gone == BranchPushed(HERE, Branch("main"), shas[0], None, is_default=True, actor=None)
    assert understood("push", body | {"ref": "refs/tags/v1"}) == Ignored("push: not to a branch")


def test_a_workflow_is_asked_for_by_who_acts_now() -> None:
    run = {"id": 289782451, "head_sha": HEAD, "actor": MONA, "triggering_actor": MONA, "pull_requests": []}
    event = understood("workflow_run", delivery("requested", workflow_run=run))
    assert event == WorkflowRequested(HERE, CommitSha(HEAD), WHO)


def installed(**changes: Any) -> dict[str, Any]:
    return {"id": 7, "account": REPOSITORY["owner"], "repository_selection": "selected"} | changes


def test_installations() -> None:
    listed = [{"id": 1, "full_name": "octo-org/Hello-World"}, {"id": 2, "full_name": "octo-org/.github"}]
    there = (HERE, RepositoryId(HOST, "octo-org/.github"))
    made = understood("installation", delivery("created", installation=installed(), repositories=listed))
    assert made == InstallationChanged(InstallationAction.ADDED, 7, "octo-org", there)
    everything = installed(repository_selection="all")
    made = understood("installation", delivery("created", installation=everything, repositories=None))
    assert made == InstallationChanged(InstallationAction.ADDED, 7, "octo-org", ())
    for name, action in (
        ("deleted", InstallationAction.REMOVED),
        ("suspend", InstallationAction.SUSPENDED),
        ("unsuspend", InstallationAction.UNSUSPENDED),
    ):
        event = understood("installation", delivery(name, installation=installed(), repositories=listed))
        assert event == InstallationChanged(action, 7, "octo-org", ())


def test_repositories_of_an_installation() -> None:
    listed = [{"id": 1, "full_name": "octo-org/Hello-World"}, {"id": 2, "full_name": "octo-org/.."}]
    parts = {"installation": installed(), "repositories_added": listed, "repositories_removed": []}
    added = understood("installation_repositories", delivery("added", **parts))
    assert added == InstallationChanged(InstallationAction.ADDED, 7, "octo-org", (HERE,))
    swapped = parts | {"repositories_added": [], "repositories_removed": listed}
    removed = understood("installation_repositories", delivery("removed", **swapped))
    assert removed == InstallationChanged(InstallationAction.REMOVED, 7, "octo-org", (HERE,))


def test_nothing_removed_is_not_everything() -> None:
    for listed in ([], None, [{"full_name": "../.."}]):
        parts = {"installation": installed(), "repositories_removed": listed}
        assert isinstance(understood("installation_repositories", delivery("removed", **parts)), Ignored)


def test_repositories_that_move() -> None:
    renamed = delivery("renamed", changes={"repository": {"name": {"from": "Hello"}}})
    before = RepositoryId(HOST, "octo-org/Hello")
    assert understood("repository", renamed) == RepositoryChanged(RepositoryAction.RENAMED, HERE, before)
    for kind in ("user", "organization"):
        moved = delivery("transferred", changes={"owner": {"from": {kind: MONA}}})
        before = RepositoryId(HOST, "mona/Hello-World")
        assert understood("repository", moved) == RepositoryChanged(RepositoryAction.TRANSFERRED, HERE, before)
    assert understood("repository", delivery("deleted")) == RepositoryChanged(RepositoryAction.DELETED, HERE, None)


OTHERS = [
    ("pull_request", delivery("labeled", pull_request=pull_request())),
    ("merge_group", delivery("something")),
    ("check_run", delivery("created", check_run={})),
    ("check_suite", delivery("requested", check_suite={})),
    ("issue_comment", delivery("edited")),
    ("pull_request_review", delivery("edited", review={"state": "approved"}, pull_request=pull_request())),
    ("workflow_run", delivery("completed", workflow_run={})),
    ("installation", delivery("new_permissions_accepted", installation=installed())),
    ("repository", delivery("archived")),
    ("star", delivery("created")),
    ("no_such_event", {}),
]


@pytest.mark.parametrize(("kind", "body"), OTHERS, ids=[kind for kind, _ in OTHERS])
def test_everything_else_is_ignored_with_a_reason(kind: str, body: dict[str, Any]) -> None:
    event = understood(kind, body)
    assert isinstance(event, Ignored)
    assert event.reason.startswith(kind)
    assert "nothing to do" in event.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"repository": {**REPOSITORY, "full_name": "../.."}}, "repository.full_name is not a repository"),
        ({"repository": None}, "repository is no object"),
        ({"sender": {"login": "--help", "id": 1}}, "sender.login is no login"),
        ({"sender": {"login": "octocat", "id": True}}, "sender.id is no number"),
        ({"pull_request": pull_request(number=-1)}, "pull_request.number is no number"),
        ({"pull_request": pull_request(updated_at="today")}, "pull_request.updated_at is no time"),
        ({"pull_request": pull_request(draft="no")}, "pull_request.draft is neither"),
        ({"pull_request": pull_request(base={"ref": "--upload-pack=x", "sha": BASE})}, "base.ref is not a branch"),
        ({"pull_request": pull_request(head={"ref": "a", "sha": "HEAD", "repo": FORK})}, "head.sha is not a commit"),
        ({"pull_request": []}, "pull_request is no object"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(change: dict[str, Any], said: str) -> None:
    event = understood("pull_request", delivery("opened", pull_request=pull_request()) | change)
    assert isinstance(event, Ignored)
    assert said in event.reason


def places(value: Any) -> Iterator[list[Any]]:
    """The ways to every value of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield [key]
        yield from ([key, *rest] for rest in places(inner))


WHOLE = [
    ("pull_request", delivery("edited", pull_request=pull_request(), changes={"base": {"ref": {"from": "x"}}})),
    ("push", delivery(ref="refs/heads/main", before=BASE, after=HEAD)),
    ("check_run", delivery("requested_action", check_run={"name": "x", "head_sha": HEAD}, requested_action={})),
    ("issue_comment", delivery("created", issue={"number": 2, "pull_request": {}}, comment=comment())),
    ("installation", delivery("created", installation=installed(), repositories=[{"full_name": "a/b"}])),
    ("repository", delivery("transferred", changes={"owner": {"from": {"user": MONA}}})),
]


@pytest.mark.parametrize(("kind", "body"), WHOLE, ids=[kind for kind, _ in WHOLE])
@pytest.mark.parametrize(
    "instead", [None, 0, -1, 1e300, True, "", "\ud800", "-x", [], {}, [None], {"a": None}], ids=repr
)
def test_no_value_in_the_place_of_another_raises(kind: str, body: dict[str, Any], instead: object) -> None:
    for place in places(body):
        other = copy.deepcopy(body)
        inner: Any = other
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = instead
        understood(kind, other)
        del inner[place[-1]]
        understood(kind, other)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["action", "repository", "sender", "id"]), inner),
)


@given(st.sampled_from([kind for kind, _ in OTHERS + WHOLE]), _JSON)
def test_no_document_raises(kind: str, document: object) -> None:
    understood(kind, document)


@given(st.text(), st.binary())
def test_no_payload_raises(kind: str, payload: bytes) -> None:
    assert isinstance(parse(Received("1", kind, payload), HOST), Ignored)

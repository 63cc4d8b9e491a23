"""What deliveries mean, by documents put together from the vendors' descriptions."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from tests.plugins.forge_gitea.payloads import (
    ACTIONS,
    BASE,
    FORK,
    GHOST,
    HEAD,
    HOST,
    PULL,
    REPOSITORY,
    USER,
    comment,
    pull_request,
    push,
    written,
)  # fmt: skip

from ekaci_core.api import (
    Branch,
    BranchPushed,
    CommentCreated,
    CommitSha,
    ForgeEvent,
    Ignored,
    InstallationAction,
    InstallationChanged,
    Opinion,
    Person,
    Ping,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestReviewed,
    PullRequestState,
    Received,
    RepositoryAction,
    RepositoryChanged,
    RepositoryId,
)
from ekaci_forge_gitea.events import parse

ALICE = Person("alice", 2)
HERE = RepositoryId(HOST, "octo/packages")
EXPECTED = PullRequest(
    repository=HERE, number=7, title="Bump hello", author=ALICE, state=PullRequestState.OPEN, draft=False,
    base=Branch("main"), base_sha=CommitSha(BASE), head=Branch("bump"), head_sha=CommitSha(HEAD),
    head_repository=RepositoryId(HOST, "alice/packages"), updated_at=1_795_168_800.0,
)  # fmt: skip


def understood(kind: str, body: object) -> ForgeEvent | Ignored:
    return parse(Received("7", kind, written(body)), HOST)


def changed(body: object) -> PullRequestChanged:
    event = understood("pull_request", body)
    assert isinstance(event, PullRequestChanged), event
    return event


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("opened", PullRequestAction.OPENED),
        ("synchronized", PullRequestAction.SYNCHRONIZED),
        ("reopened", PullRequestAction.REOPENED),
        ("closed", PullRequestAction.CLOSED),
    ],
)
def test_what_happens_to_pull_requests(name: str, action: PullRequestAction) -> None:
    assert changed(pull_request(name)) == PullRequestChanged(action, EXPECTED, ALICE)


@pytest.mark.parametrize(
    "name",
    [
        "label_updated", "label_cleared", "assigned", "unassigned", "milestoned", "demilestoned", "review_requested",
        "review_request_removed", "no_such_action",
    ],
)  # fmt: skip
def test_what_does_not_concern_us_is_ignored(name: str) -> None:
    event = understood("pull_request", pull_request(name))
    assert isinstance(event, Ignored)
    assert name in event.reason


@pytest.mark.parametrize(
    ("before", "now", "action"),
    [
        ("Bump hello", "WIP: Bump hello", PullRequestAction.DRAFTED),
        ("Bump hello", "[wip] Bump hello", PullRequestAction.DRAFTED),
        ("wip: Bump hello", "Bump hello", PullRequestAction.READY),
        ("WIP: Bump", "[WIP] Bump", PullRequestAction.EDITED),
        ("Bump", "Bump hello", PullRequestAction.EDITED),
        ("Bump", "No WIP: at its beginning", PullRequestAction.EDITED),
    ],
)
def test_titles_make_drafts(before: str, now: str, action: PullRequestAction) -> None:
    """https://docs.gitea.com/usage/pull-request#work-in-progress-pull-requests."""
    event = changed(pull_request("edited", changes={"title": {"from": before}}, pull={"title": now}))
    assert event.action is action
    assert event.pull_request.draft is now.lower().startswith(("wip:", "[wip]"))


def test_another_base_and_other_edits_are_told_apart() -> None:
    assert changed(pull_request("edited", changes={"ref": {"from": "old"}})).action is PullRequestAction.RETARGETED
    assert changed(pull_request("edited", changes={"body": {"from": "old"}})).action is PullRequestAction.EDITED
    assert changed(pull_request("edited")).action is PullRequestAction.EDITED


def test_merged_and_closed_are_told_apart() -> None:
    merged = changed(pull_request("closed", pull={"state": "closed", "merged": True, "merged_at": PULL["updated_at"]}))
    assert merged.pull_request.state is PullRequestState.MERGED
    closed = changed(pull_request("closed", pull={"state": "closed", "closed_at": PULL["updated_at"]}))
    assert closed.pull_request.state is PullRequestState.CLOSED


def test_before_1_21_only_the_title_tells_of_a_draft() -> None:
    body = pull_request("opened", pull={"title": "WIP: Bump hello"})
    del body["pull_request"]["draft"]
    assert changed(body).pull_request.draft


def test_a_fork_that_is_gone_and_an_author_who_is() -> None:
    head = {**PULL["head"], "repo": None, "repo_id": -1, "ref": "refs/pull/7/head"}
    gone = changed(pull_request("synchronized", pull={"head": head, "user": GHOST}))
    assert gone.pull_request.head_repository is None
    assert gone.pull_request.is_from_fork
    assert gone.pull_request.author == Person("Ghost", -1)


def test_who_pushes_for_review_is_not_of_the_repository() -> None:
    """Such a pull request names the target as its head's repository: https://docs.gitea.com/usage/agit."""
    head = {**PULL["head"], "repo": REPOSITORY, "repo_id": 140, "ref": "refs/pull/7/head", "label": ""}
    assert changed(pull_request("opened", pull={"head": head})).pull_request.is_from_fork


def test_a_branch_of_the_repository_is_no_fork() -> None:
    own = changed(pull_request("opened", pull={"head": {**PULL["head"], "repo": REPOSITORY}}))
    assert not own.pull_request.is_from_fork


@pytest.mark.parametrize("kind", ["issue_comment", "pull_request_comment"])
def test_a_comment_on_a_pull_request(kind: str) -> None:
    at = 1_795_169_100.0
    expected = CommentCreated(HERE, 7, 99, "@eka-ci approve", ALICE, by_bot=False, created_at=at)
    assert understood(kind, comment()) == expected


def test_comments_that_are_not_for_us() -> None:
    for body in (
        comment(action="edited"),
        comment(action="deleted"),
        comment(is_pull=False, issue={"pull_request": None}),
    ):
        assert isinstance(understood("issue_comment", body), Ignored)


@pytest.mark.parametrize("who", [GHOST, ACTIONS, {**USER, "login": "renovate[bot]"}])
def test_what_no_person_says_is_told(who: dict[str, Any]) -> None:
    event = understood("issue_comment", comment(said={"user": who}))
    assert isinstance(event, CommentCreated)
    assert event.by_bot


@pytest.mark.parametrize(
    ("kind", "review", "opinion"),
    [
        ("pull_request_approved", "pull_request_review_approved", Opinion.APPROVED),
        ("pull_request_rejected", "pull_request_review_rejected", Opinion.CHANGES_REQUESTED),
        ("pull_request_comment", "pull_request_review_comment", Opinion.COMMENTED),
    ],
)
def test_reviews(kind: str, review: str, opinion: Opinion) -> None:
    body = pull_request("reviewed", review={"type": review, "content": "Fine."})
    assert understood(kind, body) == PullRequestReviewed(HERE, 7, CommitSha(HEAD), opinion, ALICE)


def test_pushes() -> None:
    expected = BranchPushed(HERE, Branch("main"), CommitSha(BASE), CommitSha(HEAD), is_default=True, actor=ALICE)
    assert understood("push", push()) == expected
    new = understood("push", push(ref="refs/heads/topic/a", before="0" * 40))
    assert new == attrs.evolve(expected, branch=Branch("topic/a"), before=None, is_default=False)
    gone = understood("push", push(after="0" * 64))
    assert gone == attrs.evolve(expected, after=None)
    assert isinstance(understood("push", push(ref="refs/tags/v1")), Ignored)


def test_the_button_for_a_test_is_no_push() -> None:
    """https://github.com/go-gitea/gitea/blob/main/routers/web/repo/setting/webhook.go: both commits are the same."""
    assert understood("push", push(before=HEAD)) == Ping()


def test_repositories_come_and_go() -> None:
    body = {"action": "created", "repository": REPOSITORY, "organization": REPOSITORY["owner"], "sender": USER}
    assert understood("repository", body) == InstallationChanged(InstallationAction.ADDED, 1, "octo", (HERE,))
    gone = {**body, "action": "deleted"}
    assert understood("repository", gone) == RepositoryChanged(RepositoryAction.DELETED, HERE, None)
    assert isinstance(understood("repository", {**body, "action": "moved"}), Ignored)


@pytest.mark.parametrize("kind", ["create", "delete", "fork", "wiki", "release", "package", "issues", "status", "Push"])
def test_other_kinds_are_ignored(kind: str) -> None:
    assert isinstance(understood(kind, push()), Ignored)


def test_a_sender_without_a_person_is_kept() -> None:
    assert changed(pull_request("opened", sender=ACTIONS)).actor == Person("gitea-actions", -2)


def test_what_is_malformed_names_its_place() -> None:
    event = understood("pull_request", pull_request("opened", pull={"head": {**PULL["head"], "sha": "-x"}}))
    assert isinstance(event, Ignored)
    assert "pull_request.head.sha" in event.reason
    event = understood(
        "pull_request", pull_request("opened", pull={"head": {**PULL["head"], "repo": {**FORK, "full_name": 3}}})
    )
    assert isinstance(event, Ignored)
    assert "full_name" in event.reason

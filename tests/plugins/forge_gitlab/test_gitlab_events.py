"""Deliveries as events: every kind that counts, and nothing that raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.plugins.forge_gitlab.payloads import BEFORE, HEAD, merge_request, note, pipeline, project, push, update

from ekaci_core.api import (
    Branch,
    BranchPushed,
    CommentCreated,
    CommitSha,
    ForgeEvent,
    Ignored,
    InstallationAction,
    InstallationChanged,
    MergeGroupTouched,
    Opinion,
    Person,
    PullRequestAction,
    PullRequestReviewed,
    PullRequestTouched,
    Received,
    RepositoryAction,
    RepositoryChanged,
    RepositoryId,
)
from ekaci_forge_gitlab.events import parse

HOST = "gitlab.example.com"
HERE = RepositoryId(HOST, "mike/tools/diaspora")
ROOT = Person("root", 1)
NOTHING = "0" * 40


def understood(kind: str, body: Any) -> ForgeEvent | Ignored:
    return parse(Received("1", kind, json.dumps(body).encode()), HOST)


def touched(action: str | None, changes: dict[str, Any] | None = None, **attributes: Any) -> ForgeEvent | Ignored:
    return understood("Merge Request Hook", merge_request(action, changes, **attributes))


def changed(key: str, *, previous: object, current: object) -> dict[str, Any]:
    return {key: {"previous": previous, "current": current}, "updated_at": {"previous": "a", "current": "b"}}


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ("open", PullRequestAction.OPENED),
        ("reopen", PullRequestAction.REOPENED),
        ("close", PullRequestAction.CLOSED),
        ("merge", PullRequestAction.CLOSED),
    ],
)
def test_what_happens_to_a_merge_request(action: str, wanted: PullRequestAction) -> None:
    assert touched(action) == PullRequestTouched(wanted, HERE, 1, ROOT)


@pytest.mark.parametrize(
    ("changes", "attributes", "wanted"),
    [
        ({}, {"oldrev": BEFORE}, PullRequestAction.SYNCHRONIZED),
        (changed("target_branch", previous="master", current="next"), {}, PullRequestAction.RETARGETED),
        (changed("target_branch", previous="master", current="next"), {"oldrev": BEFORE}, PullRequestAction.RETARGETED),
        (changed("draft", previous=True, current=False), {}, PullRequestAction.READY),
        (changed("draft", previous=False, current=True), {}, PullRequestAction.DRAFTED),
        (changed("draft", previous=False, current=True), {"oldrev": BEFORE}, PullRequestAction.SYNCHRONIZED),
        (changed("work_in_progress", previous=True, current=False), {}, PullRequestAction.READY),
        (changed("title", previous="a", current="b"), {}, PullRequestAction.EDITED),
    ],
)
def test_what_an_update_is(changes: dict[str, Any], attributes: dict[str, Any], wanted: PullRequestAction) -> None:
    assert touched("update", changes, **attributes) == PullRequestTouched(wanted, HERE, 1, ROOT)


@pytest.mark.parametrize(
    "changes", [{}, changed("labels", previous=[], current=[]), changed("description", previous="a", current="b")]
)
def test_other_updates_are_ignored(changes: dict[str, Any]) -> None:
    found = touched("update", changes)
    assert isinstance(found, Ignored)
    assert "update" in found.reason


def test_the_test_button_says_no_action_and_is_ignored() -> None:
    assert isinstance(touched(None), Ignored)


@pytest.mark.parametrize(
    ("action", "opinion"),
    [
        ("approved", Opinion.APPROVED),
        ("approval", Opinion.APPROVED),
        ("unapproved", Opinion.DISMISSED),
        ("unapproval", Opinion.DISMISSED),
    ],
)
def test_approvals_are_of_a_commit(action: str, opinion: Opinion) -> None:
    assert touched(action) == PullRequestReviewed(HERE, 1, CommitSha(HEAD), opinion, ROOT)


def test_a_note_on_a_merge_request() -> None:
    said = CommentCreated(HERE, 4, 1244, "This MR needs work.", ROOT, by_bot=False, created_at=1431886896.0)
    assert understood("Note Hook", note()) == said
    assert understood("Note Hook", note(action=None)) == said, "GitLab before 16.11"


@pytest.mark.parametrize(
    "attributes",
    [
        {"action": "update"},
        {"action": None, "updated_at": "2015-05-17 18:25:00 UTC"},
        {"system": True},
        {"noteable_type": "Issue"},
        {"noteable_type": "Commit"},
    ],
)
def test_other_notes_are_ignored(attributes: dict[str, Any]) -> None:
    assert isinstance(understood("Note Hook", note(**attributes)), Ignored)


@pytest.mark.parametrize(
    "username",
    [
        "project_15_bot",
        "project_15_bot1",
        "project_15_bot_4ffca233d8298ea1",
        "group_3_bot_a",
        "service_account_group_3_a",
    ],
)
def test_tokens_are_no_persons(username: str) -> None:
    # https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects
    found = understood("Note Hook", note() | {"user": {"id": 5, "username": username}})
    assert isinstance(found, CommentCreated)
    assert found.by_bot


@pytest.mark.parametrize("kind", ["Push Hook", "System Hook"])
def test_a_push(kind: str) -> None:
    pusher = Person("jsmith", 4)
    moved = BranchPushed(HERE, Branch("master"), CommitSha(BEFORE), CommitSha(HEAD), is_default=True, actor=pusher)
    assert understood(kind, push()) == moved
    made = understood(kind, push(before=NOTHING, ref="refs/heads/a/b"))
    assert made == BranchPushed(HERE, Branch("a/b"), None, CommitSha(HEAD), is_default=False, actor=pusher)
    gone = understood(kind, push(after=NOTHING, checkout_sha=None))
    assert isinstance(gone, BranchPushed)
    assert gone.after is None


@pytest.mark.parametrize(("kind", "name"), [("Tag Push Hook", "push"), ("System Hook", "tag_push")])
def test_tags_are_ignored(kind: str, name: str) -> None:
    body = push(object_kind="tag_push", event_name=name, ref="refs/tags/v1.0.0")
    found = understood(kind, body)
    assert isinstance(found, Ignored)
    assert "v1.0.0" in found.reason


def test_a_system_hook_tells_of_merge_requests_in_all_projects() -> None:
    found = understood("System Hook", merge_request("open"))
    assert found == PullRequestTouched(PullRequestAction.OPENED, HERE, 1, ROOT)


def test_refs_that_changed_of_which_the_default_branch_counts_most() -> None:
    side = {"before": BEFORE, "after": HEAD, "ref": "refs/heads/side"}
    main = {"before": HEAD, "after": BEFORE, "ref": "refs/heads/master"}
    tag = {"before": NOTHING, "after": HEAD, "ref": "refs/tags/v1"}
    found = understood("System Hook", update(tag, side, main))
    assert found == BranchPushed(
        HERE, Branch("master"), CommitSha(HEAD), CommitSha(BEFORE), is_default=True, actor=None
    )
    assert isinstance(understood("System Hook", update(tag)), Ignored)
    other = understood("System Hook", update(tag, side))
    assert isinstance(other, BranchPushed)
    assert (other.branch, other.is_default) == ("side", False)


@pytest.mark.parametrize("kind", ["System Hook", "Project Hook"])
def test_projects_themselves(kind: str) -> None:
    there = RepositoryId(HOST, "jsmith/tools/underscore")
    before = RepositoryId(HOST, "jsmith/overscore")
    old = {"old_path_with_namespace": "jsmith/overscore"}
    made = InstallationChanged(InstallationAction.ADDED, 73, "jsmith/tools", (there,))
    assert understood(kind, project("project_create")) == made
    gone = RepositoryChanged(RepositoryAction.DELETED, there, None)
    assert understood(kind, project("project_destroy")) == gone
    renamed = RepositoryChanged(RepositoryAction.RENAMED, there, before)
    assert understood(kind, project("project_rename", **old)) == renamed
    moved = RepositoryChanged(RepositoryAction.TRANSFERRED, there, before)
    assert understood(kind, project("project_transfer", **old)) == moved


@pytest.mark.parametrize("name", ["project_update", "user_create", "group_rename", "key_create"])
def test_other_system_hooks_are_ignored(name: str) -> None:
    found = understood("System Hook", project(name))
    assert isinstance(found, Ignored)
    assert name in found.reason


@pytest.mark.parametrize("status", ["pending", "running", "success", "failed", "canceled", "skipped"])
def test_a_pipeline_of_a_merge_request_may_be_of_a_train(status: str) -> None:
    assert understood("Pipeline Hook", pipeline(status=status)) == MergeGroupTouched(HERE, 31)


@pytest.mark.parametrize(
    "changes", [{"status": "preparing"}, {"source": "push"}, {"source": "external"}, {"source": None}]
)
def test_other_pipelines_are_ignored(changes: dict[str, Any]) -> None:
    assert isinstance(understood("Pipeline Hook", pipeline(**changes)), Ignored)
    assert isinstance(understood("Pipeline Hook", pipeline() | {"merge_request": None}), Ignored)


@pytest.mark.parametrize("kind", ["Job Hook", "Issue Hook", "Wiki Page Hook", "Emoji Hook"])
def test_other_kinds_are_ignored(kind: str) -> None:
    assert understood(kind, merge_request()) == Ignored(f"{kind}: nothing to do")


def test_what_is_missing_is_named() -> None:
    body = merge_request()
    body["project"] = {}
    assert understood("Merge Request Hook", body) == Ignored(
        "Merge Request Hook: project.path_with_namespace is no text"
    )

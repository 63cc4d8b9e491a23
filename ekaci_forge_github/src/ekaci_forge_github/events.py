"""Deliveries as events. Pure, and never raises: what cannot be understood is ignored, with the reason.

Payloads: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ekaci_core.api import (
    BranchPushed,
    CheckActionRequested,
    CommentCreated,
    ForgeEvent,
    Ignored,
    MergeGroupAction,
    MergeGroupChanged,
    Opinion,
    Ping,
    PullRequestAction,
    PullRequestChanged,
    PullRequestReviewed,
    Received,
    RerunRequested,
    WorkflowRequested,
)
from ekaci_core.api.fields import Fields, Malformed, loaded
from ekaci_forge_github.faults import one_line
from ekaci_forge_github.ownership import installation, installation_repositories, repository
from ekaci_forge_github.pull_requests import pull_request_of

_BRANCHES: Final = "refs/heads/"
_NO_COMMIT: Final = re.compile(r"0{40}|0{64}")

Parser = Callable[[Fields, str], ForgeEvent | Ignored]


def parse(received: Received, host: str) -> ForgeEvent | Ignored:
    """Understand a delivery from the GitHub at ``host``."""
    parser = _PARSERS.get(received.kind)
    if parser is None:
        return Ignored(f"{one_line(received.kind)}: nothing to do")
    try:
        return parser(Fields(loaded(received.payload)), host)
    except Malformed as error:
        return Ignored(one_line(f"{received.kind}: {error}"))


def other_action(kind: str, body: Fields) -> Ignored:
    """Say that an action is not for us."""
    return Ignored(one_line(f"{kind} {body.text('action', 'without an action')}: nothing to do"))


def _ping(body: Fields, _host: str) -> ForgeEvent:
    body.text("zen")
    return Ping()


def _pull_request(body: Fields, host: str) -> ForgeEvent | Ignored:
    name = body.text("action")
    if name == "edited" and body.has("changes") and body.object("changes").has("base"):
        action = PullRequestAction.RETARGETED
    elif name in _PULL_REQUEST_ACTIONS:
        action = PullRequestAction(name)
    else:
        return other_action("pull_request", body)
    described = pull_request_of(body.object("pull_request"), body.object("repository").repository(host))
    return PullRequestChanged(action, described, body.person("sender"))


def _merge_group(body: Fields, host: str) -> ForgeEvent | Ignored:
    name = body.text("action")
    if name not in {each.value for each in MergeGroupAction}:
        return other_action("merge_group", body)
    group = body.object("merge_group")
    commit = group.object("head_commit") if group.has("head_commit") else None
    return MergeGroupChanged(
        action=MergeGroupAction(name),
        repository=body.object("repository").repository(host),
        base=group.branch("base_ref"),
        base_sha=group.sha("base_sha"),
        head=group.branch("head_ref"),
        head_sha=group.sha("head_sha"),
        author=commit.object("author").line("name", "") if commit and commit.has("author") else "",
    )


def _check_run(body: Fields, host: str) -> ForgeEvent | Ignored:
    name = body.text("action")
    if name not in ("rerequested", "requested_action"):
        return other_action("check_run", body)
    run = body.object("check_run")
    where, sha, actor = body.object("repository").repository(host), run.sha("head_sha"), body.person("sender")
    if name == "rerequested":
        return RerunRequested(where, sha, run.text("name"), actor)
    identifier = body.object("requested_action").text("identifier")
    return CheckActionRequested(where, sha, run.text("name"), identifier, actor)


def _check_suite(body: Fields, host: str) -> ForgeEvent | Ignored:
    if body.text("action") != "rerequested":
        return other_action("check_suite", body)
    where = body.object("repository").repository(host)
    return RerunRequested(where, body.object("check_suite").sha("head_sha"), None, body.person("sender"))


def _issue_comment(body: Fields, host: str) -> ForgeEvent | Ignored:
    if body.text("action") != "created":
        return other_action("issue_comment", body)
    issue, comment = body.object("issue"), body.object("comment")
    if not issue.has("pull_request"):
        return Ignored("issue_comment: not on a pull request")
    return CommentCreated(
        repository=body.object("repository").repository(host),
        number=issue.number("number"),
        comment=comment.number("id"),
        body=comment.text("body"),
        author=comment.person("user"),
        by_bot=comment.object("user").text("type", "User") == "Bot",
        created_at=comment.time("created_at"),
    )


def _review(body: Fields, host: str) -> ForgeEvent | Ignored:
    name, review = body.text("action"), body.object("review")
    opinion = Opinion.DISMISSED if name == "dismissed" else _OPINIONS.get(review.text("state").lower())
    if name not in ("submitted", "dismissed") or opinion is None:
        return other_action("pull_request_review", body)
    return PullRequestReviewed(
        repository=body.object("repository").repository(host),
        number=body.object("pull_request").number("number"),
        sha=review.sha("commit_id"),
        opinion=opinion,
        reviewer=review.person("user"),
    )


def _push(body: Fields, host: str) -> ForgeEvent | Ignored:
    if not body.text("ref").startswith(_BRANCHES):
        return Ignored("push: not to a branch")
    branch, where = body.branch("ref"), body.object("repository")
    return BranchPushed(
        repository=where.repository(host),
        branch=branch,
        before=None if _is_nothing(body, "before") else body.sha("before"),
        after=None if _is_nothing(body, "after") else body.sha("after"),
        is_default=where.text("default_branch", "") == branch,
        actor=body.person("sender") if body.has("sender") else None,
    )


def _is_nothing(body: Fields, key: str) -> bool:
    return _NO_COMMIT.fullmatch(body.text(key)) is not None


def _workflow_run(body: Fields, host: str) -> ForgeEvent | Ignored:
    if body.text("action") != "requested":
        return other_action("workflow_run", body)
    where = body.object("repository").repository(host)
    # The sender is who acted now; the run's own actor may be the author of the commit.
    return WorkflowRequested(where, body.object("workflow_run").sha("head_sha"), body.person("sender"))


_PULL_REQUEST_ACTIONS: Final = {each.value for each in PullRequestAction} - {PullRequestAction.RETARGETED.value}

_OPINIONS: Final[Mapping[str, Opinion]] = {
    "approved": Opinion.APPROVED,
    "changes_requested": Opinion.CHANGES_REQUESTED,
    "commented": Opinion.COMMENTED,
}

_PARSERS: Final[Mapping[str, Parser]] = {
    "ping": _ping,
    "pull_request": _pull_request,
    "merge_group": _merge_group,
    "check_run": _check_run,
    "check_suite": _check_suite,
    "issue_comment": _issue_comment,
    "pull_request_review": _review,
    "push": _push,
    "workflow_run": _workflow_run,
    "installation": installation,
    "installation_repositories": installation_repositories,
    "repository": repository,
}

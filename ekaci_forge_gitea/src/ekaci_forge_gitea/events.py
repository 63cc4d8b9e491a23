"""Deliveries as events. Pure, and never raises: what cannot be understood is ignored, with the reason.

Payloads: https://docs.gitea.com/usage/webhooks and
https://github.com/go-gitea/gitea/blob/main/modules/structs/hook.go; kinds of events:
https://github.com/go-gitea/gitea/blob/main/modules/webhook/type.go
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ekaci_core.api import (
    BranchPushed,
    CommentCreated,
    ForgeEvent,
    Ignored,
    InstallationAction,
    InstallationChanged,
    Opinion,
    Ping,
    PullRequestAction,
    PullRequestChanged,
    PullRequestReviewed,
    Received,
    RepositoryAction,
    RepositoryChanged,
)
from ekaci_core.api.fields import Fields, Malformed, loaded
from ekaci_forge_gitea.faults import one_line
from ekaci_forge_gitea.pull_requests import is_draft_title, is_nobody, person_of, pull_request_of

_BRANCHES: Final = "refs/heads/"
_NO_COMMIT: Final = re.compile(r"0{40}|0{64}")

Parser = Callable[[Fields, str], ForgeEvent | Ignored]


def parse(received: Received, host: str) -> ForgeEvent | Ignored:
    """Understand a delivery from the Gitea at ``host``."""
    parser = _PARSERS.get(received.kind)
    if parser is None:
        return Ignored(f"{one_line(received.kind)}: nothing to do")
    try:
        return parser(Fields(loaded(received.payload)), host)
    except Malformed as error:
        return Ignored(one_line(f"{received.kind}: {error}"))


def _other_action(kind: str, body: Fields) -> Ignored:
    return Ignored(one_line(f"{kind} {body.text('action', 'without an action')}: nothing to do"))


def _pull_request(body: Fields, host: str) -> ForgeEvent | Ignored:
    name = body.text("action")
    action = _edited(body) if name == "edited" else _PULL_REQUEST_ACTIONS.get(name)
    if action is None:
        return _other_action("pull_request", body)
    described = pull_request_of(body.object("pull_request"), body.object("repository").repository(host))
    return PullRequestChanged(action, described, person_of(body, "sender"))


def _edited(body: Fields) -> PullRequestAction:
    """Say what an edit means: another base, a title that begins otherwise, or nothing."""
    changes = body.object("changes") if body.has("changes") else Fields({})
    if changes.has("ref"):
        return PullRequestAction.RETARGETED
    if changes.has("title"):
        before = is_draft_title(changes.object("title").line("from", ""))
        now = is_draft_title(body.object("pull_request").line("title"))
        if before is not now:
            return PullRequestAction.DRAFTED if now else PullRequestAction.READY
    return PullRequestAction.EDITED


def _comment(body: Fields, host: str) -> ForgeEvent | Ignored:
    if body.text("action") != "created":
        return _other_action("issue_comment", body)
    issue, comment = body.object("issue"), body.object("comment")
    if not body.flag("is_pull") and not issue.has("pull_request"):
        return Ignored("issue_comment: not on a pull request")
    author = person_of(comment, "user")
    return CommentCreated(
        repository=body.object("repository").repository(host),
        number=issue.number("number"),
        comment=comment.number("id"),
        body=comment.text("body"),
        author=author,
        by_bot=is_nobody(author),
        created_at=comment.time("created_at"),
    )


def _review(body: Fields, host: str) -> ForgeEvent | Ignored:
    if body.has("comment"):
        return _comment(body, host)
    opinion = _OPINIONS.get(body.object("review").text("type"))
    if body.text("action") != "reviewed" or opinion is None:
        return _other_action("pull_request_review", body)
    pull = body.object("pull_request")
    return PullRequestReviewed(
        repository=body.object("repository").repository(host),
        number=pull.number("number"),
        # Gitea does not say which commit it is of: whoever reviews has the newest one on the page.
        sha=pull.object("head").sha("sha"),
        opinion=opinion,
        reviewer=person_of(body, "sender"),
    )


def _push(body: Fields, host: str) -> ForgeEvent | Ignored:
    if not body.text("ref").startswith(_BRANCHES):
        return Ignored("push: not to a branch")
    if body.text("before") == body.text("after"):
        # What the button for a test sends, and the API: no push moves a branch to where it was.
        body.sha("after")
        return Ping()
    branch, where = body.branch("ref"), body.object("repository")
    return BranchPushed(
        repository=where.repository(host),
        branch=branch,
        before=None if _is_nothing(body, "before") else body.sha("before"),
        after=None if _is_nothing(body, "after") else body.sha("after"),
        is_default=where.text("default_branch", "") == branch,
        actor=person_of(body, "sender") if body.has("sender") else None,
    )


def _is_nothing(body: Fields, key: str) -> bool:
    return _NO_COMMIT.fullmatch(body.text(key)) is not None


def _repository(body: Fields, host: str) -> ForgeEvent | Ignored:
    """A repository of an organisation is new or gone; Gitea tells nothing of other names."""
    name, described = body.text("action"), body.object("repository")
    if name == "created":
        owner = described.object("owner")
        account = owner.text("login")
        return InstallationChanged(InstallationAction.ADDED, owner.number("id"), account, (described.repository(host),))
    if name == "deleted":
        return RepositoryChanged(RepositoryAction.DELETED, described.repository(host), None)
    return _other_action("repository", body)


_PULL_REQUEST_ACTIONS: Final[Mapping[str, PullRequestAction]] = {
    "opened": PullRequestAction.OPENED,
    "synchronized": PullRequestAction.SYNCHRONIZED,
    "reopened": PullRequestAction.REOPENED,
    "closed": PullRequestAction.CLOSED,
}

_OPINIONS: Final[Mapping[str, Opinion]] = {
    "pull_request_review_approved": Opinion.APPROVED,
    "pull_request_review_rejected": Opinion.CHANGES_REQUESTED,
    "pull_request_review_comment": Opinion.COMMENTED,
}

_PARSERS: Final[Mapping[str, Parser]] = {
    "pull_request": _pull_request,
    "pull_request_sync": _pull_request,
    "issue_comment": _comment,
    "pull_request_comment": _review,
    "pull_request_approved": _review,
    "pull_request_rejected": _review,
    "pull_request_review_approved": _review,
    "pull_request_review_rejected": _review,
    "pull_request_review_comment": _review,
    "push": _push,
    "repository": _repository,
}

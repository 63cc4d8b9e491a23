"""Deliveries about merge requests. Pure.

They name neither the author's login nor the commit of the target branch, so that what the merge request is now has to
be asked for: https://docs.gitlab.com/user/project/integrations/webhook_events/#merge-request-events
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ekaci_core.api import (
    ForgeEvent,
    Ignored,
    Opinion,
    PullRequestAction,
    PullRequestReviewed,
    PullRequestTouched,
)
from ekaci_core.api.fields import Fields
from ekaci_forge_gitlab.faults import one_line
from ekaci_forge_gitlab.merge_requests import PATH

_ACTIONS: Final[Mapping[str, PullRequestAction]] = {
    "open": PullRequestAction.OPENED,
    "reopen": PullRequestAction.REOPENED,
    "close": PullRequestAction.CLOSED,
    "merge": PullRequestAction.CLOSED,
}
_OPINIONS: Final[Mapping[str, Opinion]] = {
    "approval": Opinion.APPROVED,
    "approved": Opinion.APPROVED,
    "unapproval": Opinion.DISMISSED,
    "unapproved": Opinion.DISMISSED,
}


def merge_request(body: Fields, host: str) -> ForgeEvent | Ignored:
    """Understand what happened to a merge request."""
    described = body.object("object_attributes")
    # The test button of the settings sends one without an action.
    name = described.text("action", "")
    repository, number = body.object("project").repository(host, PATH), described.number("iid")
    actor = body.person("user", "username")
    if name in _OPINIONS:
        sha = described.object("last_commit").sha("id")
        return PullRequestReviewed(repository, number, sha, _OPINIONS[name], actor)
    action = _update(body, described) if name == "update" else _ACTIONS.get(name)
    if action is None:
        return Ignored(one_line(f"merge request {name or 'without an action'}: nothing to do"))
    return PullRequestTouched(action, repository, number, actor)


def _update(body: Fields, described: Fields) -> PullRequestAction | None:
    """Say what an update was: several things may have changed at once, and the gravest counts."""
    changes = body.object("changes") if body.has("changes") else Fields({}, "changes")
    if changes.has("target_branch"):
        return PullRequestAction.RETARGETED
    # Only where there are other commits.
    if described.has("oldrev"):
        return PullRequestAction.SYNCHRONIZED
    for key in ("draft", "work_in_progress"):
        if changes.has(key):
            draft = changes.object(key).flag("current")
            return PullRequestAction.DRAFTED if draft else PullRequestAction.READY
    return PullRequestAction.EDITED if changes.has("title") else None

"""Deliveries as events. Pure, and never raises: what cannot be understood is ignored, with the reason.

Payloads: https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ekaci_core.api import BranchPushed, CommentCreated, ForgeEvent, Ignored, Person, Received
from ekaci_core.api.fields import Fields, Malformed, is_login, loaded
from ekaci_forge_gitlab.faults import one_line
from ekaci_forge_gitlab.merge_request_events import merge_request
from ekaci_forge_gitlab.merge_requests import PATH
from ekaci_forge_gitlab.merge_trains import pipeline
from ekaci_forge_gitlab.people import is_bot
from ekaci_forge_gitlab.project_events import NAMES, project, repository_update

Parser = Callable[[Fields, str], ForgeEvent | Ignored]

_BRANCHES: Final = "refs/heads/"
_NO_COMMIT: Final = re.compile(r"0{40}|0{64}")
_SYSTEM: Final = "System Hook"


def parse(received: Received, host: str) -> ForgeEvent | Ignored:
    """Understand a delivery from the GitLab at ``host``."""
    try:
        if received.kind in _KINDS:
            return _KINDS[received.kind](Fields(loaded(received.payload)), host)
        if received.kind == _SYSTEM:
            return _system(Fields(loaded(received.payload)), host)
    except Malformed as error:
        return Ignored(one_line(f"{received.kind}: {error}"))
    return Ignored(f"{one_line(received.kind)}: nothing to do")


def _system(body: Fields, host: str) -> ForgeEvent | Ignored:
    """Understand a hook of the whole instance; it tells of projects, and of pushes and merge requests in all of them.

    https://docs.gitlab.com/administration/system_hooks/
    """
    name = body.text("event_name") if body.has("event_name") else body.text("object_kind")
    parser = _SYSTEM_EVENTS.get(name)
    return parser(body, host) if parser else Ignored(one_line(f"{_SYSTEM} {name}: nothing to do"))


def _push(body: Fields, host: str) -> ForgeEvent | Ignored:
    if not body.text("ref").startswith(_BRANCHES):
        return Ignored("push: not to a branch")
    branch, where = body.branch("ref"), body.object("project")
    return BranchPushed(
        repository=where.repository(host, PATH),
        branch=branch,
        before=None if _is_nothing(body, "before") else body.sha("before"),
        after=None if _is_nothing(body, "after") else body.sha("after"),
        is_default=where.text("default_branch", "") == branch,
        actor=_pusher(body),
    )


def _is_nothing(body: Fields, key: str) -> bool:
    return _NO_COMMIT.fullmatch(body.text(key)) is not None


def _pusher(body: Fields) -> Person | None:
    login = body.text("user_username", "")
    return Person(login, body.number("user_id")) if is_login(login) and body.has("user_id") else None


def _tag(body: Fields, _host: str) -> Ignored:
    return Ignored(one_line(f"push of {body.text('ref')}: tags are not reviewed"))


def _note(body: Fields, host: str) -> ForgeEvent | Ignored:
    note = body.object("object_attributes")
    if note.text("noteable_type") != "MergeRequest":
        return Ignored("note: not on a merge request")
    # GitLab before 16.11 names no action; what was edited has another time then.
    edited = note.text("created_at") != note.text("updated_at") if not note.has("action") else False
    if note.text("action", "create") != "create" or edited:
        return Ignored("note: it was edited, and what it said first counts")
    if note.flag("system"):
        return Ignored("note: GitLab wrote it itself")
    author = body.person("user", "username")
    return CommentCreated(
        repository=body.object("project").repository(host, PATH),
        number=body.object("merge_request").number("iid"),
        comment=note.number("id"),
        body=note.text("note"),
        author=author,
        by_bot=is_bot(author),
        created_at=note.time("created_at"),
    )


_KINDS: Final[Mapping[str, Parser]] = {
    "Push Hook": _push,
    "Tag Push Hook": _tag,
    "Note Hook": _note,
    "Merge Request Hook": merge_request,
    "Pipeline Hook": pipeline,
    # Of a group: https://docs.gitlab.com/user/project/integrations/webhook_events/#project-events
    "Project Hook": project,
}

_SYSTEM_EVENTS: Final[Mapping[str, Parser]] = {
    "push": _push,
    "tag_push": _tag,
    "merge_request": merge_request,
    "repository_update": repository_update,
    **dict.fromkeys(NAMES, project),
}

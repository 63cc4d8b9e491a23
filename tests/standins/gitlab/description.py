"""The part of GitLab's REST API that is used, after its documents: what a request may have in it, and who may send it.

GitLab generates a description of its whole API (https://docs.gitlab.com/api/openapi/) and publishes it in its
repository alone, in no package that a test could depend on. What stands here was written by hand after the page that
each entry names. GitLab ignores what it does not know; the stand-in counts it as a fault of whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

import attrs
from tests.standins.gitlab.records import DEVELOPER, GUEST, MAINTAINER, REPORTER

_PAGES: Final = {"page": "number", "per_page": "number"}
_KEYS: Final = {**_PAGES, "pagination": "keyset", "order_by": "text", "sort": "asc|desc"}
_BRANCH: Final = {"branch": "text", "start_branch": "text", "start_sha": "text", "commit_message": "text"}
_HOOK: Final = {
    "url": "text", "token": "text", "signing_token": "text", "enable_ssl_verification": "flag",
    "merge_requests_events": "flag", "note_events": "flag", "pipeline_events": "flag", "push_events": "flag",
    "tag_push_events": "flag",
}  # fmt: skip
_STATUS: Final = {
    "state": "pending|running|success|failed|canceled|skipped", "ref": "text", "name": "text255", "context": "text255",
    "target_url": "text255", "description": "text255", "coverage": "number", "pipeline_id": "number",
}  # fmt: skip


@attrs.frozen
class Operation:
    """One operation.

    Attributes:
        method: as in HTTP.
        path: below ``/api/v4``; ``:project`` is a number or a quoted path.
        least: the level in the project that it needs; in public projects reading needs none.
        query: what may stand behind the question mark, and of what form.
        body: what may be sent, likewise.
        required: what must be sent.
        page: the document.
    """

    method: str
    path: str
    page: str
    least: int = 0
    query: Mapping[str, str] = attrs.field(factory=dict)
    body: Mapping[str, str] = attrs.field(factory=dict)
    required: tuple[str, ...] = ()


OPERATIONS: Final[Mapping[str, Operation]] = {
    "user": Operation("GET", "/user", "users/#retrieve-the-current-user"),
    "users": Operation("GET", "/users", "users/#list-all-users", query={**_PAGES, "username": "text"}),
    "token": Operation("GET", "/personal_access_tokens/self", "personal_access_tokens/#self-inform"),
    "projects": Operation(
        "GET", "/projects", "projects/#list-all-projects",
        query={**_KEYS, "membership": "flag", "min_access_level": "number", "archived": "flag", "simple": "flag",
               "id_after": "number"},
    ),
    "project": Operation("GET", "/projects/:project", "projects/#retrieve-a-project", GUEST),
    "create group": Operation(
        "POST", "/groups", "groups/#create-a-group",
        body={"name": "text", "path": "text", "parent_id": "number", "visibility": "text"}, required=("name", "path"),
    ),
    "create project": Operation(
        "POST", "/projects", "projects/#create-a-project",
        body={"name": "text", "path": "text", "namespace_id": "number", "visibility": "text",
              "default_branch": "text", "initialize_with_readme": "flag"},
        required=("path",),
    ),
    "delete project": Operation("DELETE", "/projects/:project", "projects/#delete-a-project", MAINTAINER),
    "delete group": Operation("DELETE", "/groups/:group", "groups/#delete-a-group"),
    "fork": Operation(
        "POST", "/projects/:project/fork", "project_forks/#fork-a-project", GUEST,
        body={"path": "text", "name": "text", "namespace_id": "number", "visibility": "text"},
    ),
    "member": Operation(
        "GET", "/projects/:project/members/all/:user",
        "project_members/#retrieve-a-direct-or-inherited-member-of-a-project", GUEST,
    ),
    "add member": Operation(
        "POST", "/projects/:project/members", "project_members/#add-a-member-to-a-project", MAINTAINER,
        body={"user_id": "number", "access_level": "number"}, required=("user_id", "access_level"),
    ),
    "hooks": Operation(
        "GET", "/projects/:project/hooks", "project_webhooks/#list-webhooks-for-a-project", MAINTAINER, query=_PAGES
    ),
    "add hook": Operation(
        "POST", "/projects/:project/hooks", "project_webhooks/#add-a-webhook-to-a-project", MAINTAINER,
        body=_HOOK, required=("url",),
    ),
    "edit hook": Operation(
        "PUT", "/projects/:project/hooks/:hook", "project_webhooks/#edit-a-project-webhook", MAINTAINER,
        body=_HOOK, required=("url",),
    ),
    "delete hook": Operation(
        "DELETE", "/projects/:project/hooks/:hook", "project_webhooks/#delete-project-webhook", MAINTAINER
    ),
    "branch": Operation(
        "GET", "/projects/:project/repository/branches/:branch", "branches/#get-single-repository-branch", REPORTER
    ),
    "tree": Operation(
        "GET", "/projects/:project/repository/tree", "repositories/#list-all-repository-trees-in-a-project", REPORTER,
        query={**_KEYS, "path": "text", "ref": "text", "recursive": "flag", "page_token": "text"},
    ),
    "blob": Operation(
        "GET", "/projects/:project/repository/blobs/:blob/raw", "repositories/#raw-blob-content", REPORTER
    ),
    "commit": Operation(
        "POST", "/projects/:project/repository/commits", "commits/#create-a-commit-with-multiple-files-and-actions",
        DEVELOPER, body={**_BRANCH, "force": "flag", "actions": "list"},
        required=("branch", "commit_message", "actions"),
    ),
    "commit merge requests": Operation(
        "GET", "/projects/:project/repository/commits/:sha/merge_requests",
        "commits/#list-merge-requests-associated-with-a-commit", REPORTER, query={**_PAGES, "state": "text"},
    ),
    "statuses": Operation(
        "GET", "/projects/:project/repository/commits/:sha/statuses", "commits/#list-commit-statuses", REPORTER,
        query={**_PAGES, "ref": "text", "stage": "text", "name": "text", "pipeline_id": "number", "all": "flag",
               "order_by": "text", "sort": "asc|desc"},
    ),
    "set status": Operation(
        "POST", "/projects/:project/statuses/:sha", "commits/#set-commit-pipeline-status", DEVELOPER,
        body=_STATUS, required=("state",),
    ),
    "merge requests": Operation(
        "GET", "/projects/:project/merge_requests", "merge_requests/#list-project-merge-requests", REPORTER,
        query={**_PAGES, "state": "opened|closed|merged|all", "updated_after": "text",
               "order_by": "text", "sort": "asc|desc", "scope": "text"},
    ),
    "events": Operation(
        "GET", "/projects/:project/events", "events/#list-all-visible-events-for-a-project", GUEST,
        query={**_PAGES, "action": "text", "target_type": "text", "after": "text", "before": "text",
               "sort": "asc|desc"},
    ),
    "one commit": Operation(
        "GET", "/projects/:project/repository/commits/:sha", "commits/#retrieve-a-single-commit", REPORTER
    ),
    "pipeline": Operation(
        "GET", "/projects/:project/pipelines/:pipeline", "pipelines/#retrieve-a-single-pipeline", REPORTER
    ),
    "merge request": Operation(
        "GET", "/projects/:project/merge_requests/:iid", "merge_requests/#get-single-mr", REPORTER
    ),
    "open merge request": Operation(
        "POST", "/projects/:project/merge_requests", "merge_requests/#create-mr", GUEST,
        body={"source_branch": "text", "target_branch": "text", "title": "text", "target_project_id": "number"},
        required=("source_branch", "target_branch", "title"),
    ),
    "edit merge request": Operation(
        "PUT", "/projects/:project/merge_requests/:iid", "merge_requests/#update-mr", GUEST,
        body={"title": "text", "target_branch": "text", "state_event": "close|reopen"},
    ),
    "notes": Operation(
        "GET", "/projects/:project/merge_requests/:iid/notes", "notes/#list-all-merge-request-notes", GUEST,
        query={**_PAGES, "order_by": "created_at|updated_at", "sort": "asc|desc"},
    ),
    "add note": Operation(
        "POST", "/projects/:project/merge_requests/:iid/notes", "notes/#create-new-merge-request-note", GUEST,
        body={"body": "text1000000"}, required=("body",),
    ),
    "edit note": Operation(
        "PUT", "/projects/:project/merge_requests/:iid/notes/:note", "notes/#modify-existing-merge-request-note",
        GUEST, body={"body": "text1000000"}, required=("body",),
    ),
    "emoji": Operation(
        "GET", "/projects/:project/merge_requests/:iid/notes/:note/award_emoji",
        "emoji_reactions/#list-an-awardables-emoji-reactions", GUEST, query=_PAGES,
    ),
}  # fmt: skip
"""https://docs.gitlab.com/api/ before each page."""


@attrs.frozen
class Match:
    """An operation and what stands in the path for its parameters."""

    name: str
    operation: Operation
    parameters: Mapping[str, str]


def match(method: str, path: str) -> Match | None:
    """Find the operation; ``path`` is percent-encoded and below ``/api/v4``."""
    for name, operation in OPERATIONS.items():
        pattern = re.sub(r":(\w+)", r"(?P<\1>[^/]+)", operation.path)
        found = re.fullmatch(pattern, path)
        if found and method == operation.method:
            return Match(name, operation, {key: unquote(text) for key, text in found.groupdict().items()})
    return None


def request_faults(operation: Operation, query: Mapping[str, str], body: Any) -> Iterator[str]:
    """Say what of a request is not as the documents have it."""
    for name, text in query.items():
        yield from _faults(name, text, operation.query, from_text=True)
    given = {} if body is None else body
    if not isinstance(given, dict):
        yield "the body is no object"
        return
    for name, value in given.items():
        yield from _faults(name, value, operation.body, from_text=False)
    yield from (f"{name} is missing" for name in operation.required if given.get(name) in (None, ""))


def _faults(name: str, value: object, known: Mapping[str, str], *, from_text: bool) -> Iterator[str]:
    form = known.get(name)
    if form is None:
        yield f"{name} is unknown"
    elif form == "number":
        right = str(value).isdecimal() if from_text else isinstance(value, int) and not isinstance(value, bool)
        yield from () if right else (f"{name} is invalid",)
    elif form == "flag":
        right = value in ("true", "false") if from_text else isinstance(value, bool)
        yield from () if right else (f"{name} is invalid",)
    elif form == "list":
        yield from () if isinstance(value, list) else (f"{name} is invalid",)
    elif form.startswith("text"):
        most = int(form.removeprefix("text") or 10**9)
        if not isinstance(value, str):
            yield f"{name} is invalid"
        elif len(value) > most:
            yield f"{name} is too long (maximum is {most} characters)"
    elif value not in form.split("|"):
        yield f"{name} does not have a valid value"

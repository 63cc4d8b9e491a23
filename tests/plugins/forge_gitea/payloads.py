"""Deliveries as the vendors describe them, put together by hand.

Fields of payloads: https://github.com/go-gitea/gitea/blob/main/modules/structs/hook.go and
https://docs.gitea.com/api/1.23/; an example with its headers: https://docs.gitea.com/usage/webhooks; Forgejo's headers:
https://forgejo.org/docs/latest/user/webhooks/.
"""

from __future__ import annotations

import json
from typing import Any, Final

HOST: Final = "gitea.example.org"
HEAD: Final = "bffeb74224043ba2feb48d137756c8a9331c449a"
BASE: Final = "28e1879d029cb852e4844d9c718537df08844e03"
DELIVERY: Final = "f6266f16-1bf3-46a5-9ea4-602e06ead473"

# https://docs.gitea.com/usage/webhooks#event-information, with what was added since
HEADERS: Final = {
    "content-type": "application/json",
    "user-agent": "Go-http-client/1.1",
    "x-github-delivery": DELIVERY,
    "x-github-event": "push",
    "x-gogs-delivery": DELIVERY,
    "x-gogs-event": "push",
    "x-gitea-delivery": DELIVERY,
    "x-gitea-event": "push",
}

USER: Final[dict[str, Any]] = {
    "id": 2, "login": "alice", "login_name": "", "full_name": "Alice", "email": "alice@noreply.example.org",
    "avatar_url": f"https://{HOST}/avatars/1", "html_url": f"https://{HOST}/alice", "username": "alice",
}  # fmt: skip
OWNER: Final[dict[str, Any]] = {**USER, "id": 1, "login": "octo", "username": "octo"}
# https://github.com/go-gitea/gitea/blob/main/models/user/user_system.go
GHOST: Final[dict[str, Any]] = {**USER, "id": -1, "login": "Ghost", "username": "Ghost"}
ACTIONS: Final[dict[str, Any]] = {**USER, "id": -2, "login": "gitea-actions", "username": "gitea-actions"}

REPOSITORY: Final[dict[str, Any]] = {
    "id": 140, "owner": OWNER, "name": "packages", "full_name": "octo/packages", "private": True, "fork": False,
    "html_url": f"https://{HOST}/octo/packages", "ssh_url": f"git@{HOST}:octo/packages.git",
    "clone_url": f"https://{HOST}/octo/packages.git", "default_branch": "main",
    "permissions": {"admin": True, "push": True, "pull": True},
}  # fmt: skip
FORK: Final[dict[str, Any]] = {**REPOSITORY, "id": 141, "owner": USER, "full_name": "alice/packages", "fork": True}

PULL: Final[dict[str, Any]] = {
    "id": 12, "number": 7, "user": USER, "title": "Bump hello", "body": "", "labels": [], "milestone": None,
    "state": "open", "draft": False, "is_locked": False, "comments": 0, "mergeable": True, "merged": False,
    "merged_at": None, "merge_commit_sha": None, "merged_by": None, "requested_reviewers": None,
    "html_url": f"https://{HOST}/octo/packages/pulls/7",
    "base": {"label": "main", "ref": "main", "sha": BASE, "repo_id": 140, "repo": REPOSITORY},
    "head": {"label": "bump", "ref": "bump", "sha": HEAD, "repo_id": 141, "repo": FORK},
    "merge_base": BASE, "due_date": None, "created_at": "2026-11-20T10:00:00Z",
    "updated_at": "2026-11-20T12:00:00+02:00", "closed_at": None,
}  # fmt: skip


def pull_request(action: str, **changes: Any) -> dict[str, Any]:
    """``PullRequestPayload``; ``pull`` changes fields of the pull request."""
    pull = {**PULL, **changes.pop("pull", {})}
    body = {
        "action": action, "number": 7, "pull_request": pull, "requested_reviewer": None, "repository": REPOSITORY,
        "sender": USER, "commit_id": "", "review": None,
    }  # fmt: skip
    return {**body, **changes}


def push(**changes: Any) -> dict[str, Any]:
    """``PushPayload``: https://docs.gitea.com/usage/webhooks#event-information."""
    commit = {
        "id": HEAD, "message": "Webhooks Yay!", "url": f"https://{HOST}/octo/packages/commit/{HEAD}",
        "author": {"name": "Gitea", "email": "someone@gitea.io", "username": "gitea"},
        "committer": {"name": "Gitea", "email": "someone@gitea.io", "username": "gitea"},
        "timestamp": "2017-03-13T13:52:11-04:00",
    }  # fmt: skip
    body = {
        "ref": "refs/heads/main", "before": BASE, "after": HEAD, "compare_url": "", "commits": [commit],
        "total_commits": 1, "head_commit": commit, "repository": REPOSITORY, "pusher": USER, "sender": USER,
    }  # fmt: skip
    return {**body, **changes}


def comment(text: str = "@eka-ci approve", **changes: Any) -> dict[str, Any]:
    """``IssueCommentPayload``; ``issue`` and ``said`` change fields of what is in it."""
    link = f"https://{HOST}/octo/packages/pulls/7"
    issue = {
        "id": 12, "number": 7, "user": USER, "title": "Bump hello", "state": "open", "html_url": link,
        "pull_request": {"merged": False, "merged_at": None, "draft": False, "html_url": link},
        **changes.pop("issue", {}),
    }  # fmt: skip
    said = {
        "id": 99, "html_url": f"{link}#issuecomment-99", "pull_request_url": link, "issue_url": "", "user": USER,
        "body": text, "created_at": "2026-11-20T10:05:00Z", "updated_at": "2026-11-20T10:05:00Z",
        **changes.pop("said", {}),
    }  # fmt: skip
    body = {
        "action": "created", "issue": issue, "comment": said, "repository": REPOSITORY, "sender": USER, "is_pull": True,
    }  # fmt: skip
    return {**body, **changes}


def written(body: object) -> bytes:
    """Write it as Gitea does, with two spaces."""
    return json.dumps(body, indent=2, ensure_ascii=False).encode()

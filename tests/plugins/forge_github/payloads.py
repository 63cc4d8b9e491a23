"""Bodies of deliveries, shaped after the vendor's examples and cut to what matters.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from typing import Any

HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
BASE = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"

OCTOCAT: dict[str, Any] = {"login": "octocat", "id": 583231, "type": "User", "site_admin": False}
MONA: dict[str, Any] = {"login": "mona", "id": 2, "type": "User", "site_admin": False}

# https://docs.github.com/en/rest/repos/repos#get-a-repository
REPOSITORY: dict[str, Any] = {
    "id": 1296269,
    "name": "Hello-World",
    "full_name": "octo-org/Hello-World",
    "private": False,
    "owner": {"login": "octo-org", "id": 6811672, "type": "Organization"},
    "default_branch": "main",
}
FORK: dict[str, Any] = {**REPOSITORY, "id": 1296270, "full_name": "mona/Hello-World", "fork": True, "owner": MONA}


def pull_request(**changes: Any) -> dict[str, Any]:
    """https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request"""
    described: dict[str, Any] = {
        "id": 279147437,
        "number": 2,
        "state": "open",
        "locked": False,
        "title": "Update the README with new information.",
        "user": OCTOCAT,
        "body": "This is a pretty simple change.",
        "created_at": "2019-05-15T15:20:33Z",
        "updated_at": "2019-05-15T15:20:34Z",
        "closed_at": None,
        "merged_at": None,
        "draft": False,
        "merged": False,
        "head": {"label": "mona:changes", "ref": "changes", "sha": HEAD, "user": MONA, "repo": FORK},
        "base": {"label": "octo-org:main", "ref": "main", "sha": BASE, "user": OCTOCAT, "repo": REPOSITORY},
        "author_association": "NONE",
    }
    return described | changes


def delivery(action: str | None = None, **parts: Any) -> dict[str, Any]:
    """What all deliveries of an app have."""
    body: dict[str, Any] = {"repository": REPOSITORY, "sender": OCTOCAT, "installation": {"id": 7, "node_id": "x"}}
    return body | ({"action": action} if action else {}) | parts

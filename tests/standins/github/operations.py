"""The operations that the stand-in answers, who may ask for them, and the events that it sends.

Permissions: https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
"""

from __future__ import annotations

from typing import Final

JWT: Final = "jwt"
"""Needs the App's own signature."""
TOKEN: Final = "token"  # noqa: S105 - a kind of caller
"""Needs an installation's token, and no permission in particular."""
ANYONE: Final = "anyone"

OPERATIONS: Final[dict[str, str]] = {
    "meta/root": ANYONE,
    "rate-limit/get": TOKEN,
    "users/get-by-username": ANYONE,
    "apps/get-authenticated": JWT,
    "apps/list-installations": JWT,
    "apps/get-installation": JWT,
    "apps/create-installation-access-token": JWT,
    "apps/get-repo-installation": JWT,
    "apps/get-org-installation": JWT,
    "apps/get-user-installation": JWT,
    "apps/get-webhook-config-for-app": JWT,
    "apps/update-webhook-config-for-app": JWT,
    "apps/list-webhook-deliveries": JWT,
    "apps/get-webhook-delivery": JWT,
    "apps/redeliver-webhook-delivery": JWT,
    "apps/list-repos-accessible-to-installation": TOKEN,
    "apps/revoke-installation-access-token": TOKEN,
    "repos/get": "metadata:read",
    "repos/get-branch": "contents:read",
    "repos/list-branches": "contents:read",
    "repos/get-commit": "contents:read",
    "git/get-ref": "contents:read",
    "git/get-tree": "contents:read",
    "git/get-blob": "contents:read",
    "repos/get-content": "contents:read",
    "repos/get-collaborator-permission-level": "metadata:read",
    "repos/list-pull-requests-associated-with-commit": "pull_requests:read",
    "pulls/list": "pull_requests:read",
    "pulls/get": "pull_requests:read",
    "pulls/list-files": "pull_requests:read",
    "pulls/list-reviews": "pull_requests:read",
    "checks/create": "checks:write",
    "checks/get": "checks:read",
    "checks/update": "checks:write",
    "checks/list-for-ref": "checks:read",
    "checks/list-annotations": "checks:read",
    "checks/list-suites-for-ref": "checks:read",
    "repos/create-commit-status": "statuses:write",
    "repos/list-commit-statuses-for-ref": "statuses:read",
    "repos/get-combined-status-for-ref": "statuses:read",
    "issues/create-comment": "issues:write|pull_requests:write",
    "issues/update-comment": "issues:write|pull_requests:write",
    "issues/get-comment": "issues:read|pull_requests:read",
    "issues/list-comments": "issues:read|pull_requests:read",
    "issues/list-comments-for-repo": "issues:read|pull_requests:read",
    "issues/delete-comment": "issues:write|pull_requests:write",
    "reactions/create-for-issue-comment": "issues:write|pull_requests:write",
    "reactions/list-for-issue-comment": "issues:read|pull_requests:read",
}

EVENTS: Final = (
    "ping",
    "push",
    "pull_request",
    "pull_request_review",
    "merge_group",
    "check_run",
    "check_suite",
    "issue_comment",
    "workflow_run",
    "installation",
    "installation_repositories",
    "repository",
)

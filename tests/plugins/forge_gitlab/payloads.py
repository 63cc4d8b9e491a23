"""Headers and bodies of deliveries, shaped after the vendor's examples and cut to what matters.

https://docs.gitlab.com/user/project/integrations/webhook_events/
https://docs.gitlab.com/administration/system_hooks/
"""

from __future__ import annotations

from typing import Any

HEAD = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"
BEFORE = "95790bf891e76fee5e1747ab589903a6a1f80f22"

# https://docs.gitlab.com/user/project/integrations/webhooks/#delivery-headers
HEADERS: dict[str, str] = {
    "content-type": "application/json",
    "user-agent": "GitLab/15.5.0-pre",
    "x-gitlab-instance": "https://gitlab.com",
    "x-gitlab-webhook-uuid": "02affd2d-2cba-4033-917d-ec22d5dc4b38",
    "x-gitlab-event": "Push Hook",
    "x-gitlab-event-uuid": "13792a34-cac6-4fda-95a8-c58e00a3954e",
    "idempotency-key": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f",
}

ROOT: dict[str, Any] = {"id": 1, "name": "Administrator", "username": "root", "email": "admin@example.com"}
PROJECT: dict[str, Any] = {
    "id": 15,
    "name": "Diaspora",
    "web_url": "http://example.com/mike/tools/diaspora",
    "git_http_url": "http://example.com/mike/tools/diaspora.git",
    "namespace": "tools",
    "visibility_level": 0,
    "path_with_namespace": "mike/tools/diaspora",
    "default_branch": "master",
}


def merge_request(
    action: str | None = "open", changes: dict[str, Any] | None = None, **attributes: Any
) -> dict[str, Any]:
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#merge-request-events"""
    described: dict[str, Any] = {
        "id": 99,
        "iid": 1,
        "target_branch": "master",
        "source_branch": "ms-viewport",
        "source_project_id": 14,
        "author_id": 51,
        "title": "MS-Viewport",
        "created_at": "2013-12-03T17:23:34Z",
        "updated_at": "2013-12-03T17:23:34Z",
        "state": "opened",
        "draft": False,
        "target_project_id": 15,
        "last_commit": {"id": HEAD, "message": "fixed readme", "author": {"name": "GitLab dev user"}},
        "detailed_merge_status": "mergeable",
    }
    if action is not None:
        described["action"] = action
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": ROOT,
        "project": PROJECT,
        "object_attributes": described | attributes,
        "labels": [],
        "changes": changes or {},
    }


def note(**attributes: Any) -> dict[str, Any]:
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#comment-on-a-merge-request"""
    described: dict[str, Any] = {
        "id": 1244,
        "internal": False,
        "note": "This MR needs work.",
        "noteable_type": "MergeRequest",
        "author_id": 1,
        "created_at": "2015-05-17 18:21:36 UTC",
        "updated_at": "2015-05-17 18:21:36 UTC",
        "project_id": 15,
        "noteable_id": 7,
        "system": False,
        "action": "create",
    }
    return {
        "object_kind": "note",
        "event_type": "note",
        "user": ROOT,
        "project_id": 15,
        "project": PROJECT,
        "object_attributes": described | attributes,
        "merge_request": {"id": 7, "iid": 4, "target_branch": "master", "source_branch": "markdown", "state": "opened"},
    }


def push(**changes: Any) -> dict[str, Any]:
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events"""
    body: dict[str, Any] = {
        "object_kind": "push",
        "event_name": "push",
        "before": BEFORE,
        "after": HEAD,
        "ref": "refs/heads/master",
        "ref_protected": True,
        "checkout_sha": HEAD,
        "user_id": 4,
        "user_name": "John Smith",
        "user_username": "jsmith",
        "project_id": 15,
        "project": PROJECT,
        "commits": [],
        "total_commits_count": 4,
    }
    return body | changes


def project(name: str, **changes: Any) -> dict[str, Any]:
    """https://docs.gitlab.com/administration/system_hooks/#project-renamed"""
    body: dict[str, Any] = {
        "created_at": "2012-07-21T07:30:58Z",
        "updated_at": "2012-07-21T07:38:22Z",
        "event_name": name,
        "name": "Underscore",
        "path": "underscore",
        "path_with_namespace": "jsmith/tools/underscore",
        "project_id": 73,
        "owner_name": "John Smith",
        "project_visibility": "internal",
    }
    return body | changes


def update(*changes: dict[str, str], **more: Any) -> dict[str, Any]:
    """https://docs.gitlab.com/administration/system_hooks/#repository-update-events"""
    body: dict[str, Any] = {
        "event_name": "repository_update",
        "user_id": 1,
        "user_name": "John Smith",
        "project_id": 15,
        "project": PROJECT,
        "changes": list(changes),
        "refs": [each["ref"] for each in changes],
    }
    return body | more


def pipeline(**changes: Any) -> dict[str, Any]:
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#pipeline-events"""
    described: dict[str, Any] = {
        "id": 31,
        "iid": 3,
        "ref": "ms-viewport",
        "tag": False,
        "sha": HEAD,
        "before_sha": BEFORE,
        "source": "merge_request_event",
        "status": "pending",
        "detailed_status": "pending",
        "created_at": "2016-08-12 15:23:28 UTC",
    }
    return {
        "object_kind": "pipeline",
        "object_attributes": described | changes,
        "merge_request": {"id": 1, "iid": 1, "source_branch": "ms-viewport", "target_branch": "master"},
        "user": ROOT,
        "project": PROJECT,
        "commit": {"id": HEAD},
        "builds": [],
    }

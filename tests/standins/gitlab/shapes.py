"""How GitLab describes things: in answers of its API, and, a little otherwise, in webhooks."""

from __future__ import annotations

from typing import Any

from tests.standins.gitlab.records import (
    Account,
    Hook,
    MergeRequest,
    Note,
    Pipeline,
    Project,
    Status,
    moment,
    told_moment,
)


class Shapes:
    """Describes things at an address."""

    def __init__(self, url: str) -> None:
        self.url = url

    # --- the API

    def user(self, account: Account) -> dict[str, Any]:
        """https://docs.gitlab.com/api/users/"""
        return {
            "id": account.id,
            "username": account.username,
            "name": account.username.title(),
            "state": account.state,
            "web_url": f"{self.url}/{account.username}",
        }

    def project(self, project: Project, own: int, group: int) -> dict[str, Any]:
        """https://docs.gitlab.com/api/projects/#retrieve-a-project"""
        return {
            "id": project.id,
            "name": project.name,
            "path": project.name,
            "path_with_namespace": project.path,
            "default_branch": project.default_branch,
            "visibility": "private" if project.private else "public",
            "web_url": f"{self.url}/{project.path}",
            "http_url_to_repo": f"{self.url}/{project.path}.git",
            "archived": False,
            "permissions": {
                "project_access": {"access_level": own, "notification_level": 3} if own else None,
                "group_access": {"access_level": group, "notification_level": 3} if group else None,
            },
        }

    def merge_request(self, project: Project, request: MergeRequest, *, listed: bool) -> dict[str, Any]:
        """https://docs.gitlab.com/api/merge_requests/#get-single-mr"""
        described = {
            "id": request.id,
            "iid": request.iid,
            "project_id": project.id,
            "title": request.title,
            "state": request.state,
            "created_at": moment(request.created_at),
            "updated_at": moment(request.updated_at),
            "merged_at": moment(request.updated_at) if request.state == "merged" else None,
            "target_branch": request.target_branch,
            "source_branch": request.source_branch,
            "author": self.user(request.author),
            "source_project_id": request.source.id if request.source else None,
            "target_project_id": project.id,
            "draft": request.draft,
            "work_in_progress": request.draft,
            "sha": request.sha,
            "web_url": f"{self.url}/{project.path}/-/merge_requests/{request.iid}",
        }
        if listed:
            return described
        pipeline = project.pipelines.get(request.pipeline or 0)
        return described | {
            "diff_refs": {"base_sha": request.start_sha, "head_sha": request.sha, "start_sha": request.start_sha},
            "head_pipeline": self.pipeline(project, pipeline) if pipeline else None,
        }

    def pipeline(self, project: Project, pipeline: Pipeline) -> dict[str, Any]:
        """https://docs.gitlab.com/api/pipelines/#get-a-single-pipeline"""
        return {
            "id": pipeline.id,
            "project_id": project.id,
            "sha": pipeline.sha,
            "ref": pipeline.ref,
            "source": pipeline.source,
            "status": pipeline.status,
        }

    def status(self, status: Status) -> dict[str, Any]:
        """https://docs.gitlab.com/api/commits/#set-commit-pipeline-status"""
        return {
            "id": status.id,
            "sha": status.pipeline.sha,
            "ref": status.pipeline.ref,
            "status": status.state,
            "name": status.name,
            "target_url": status.target_url,
            "description": status.description,
            "pipeline_id": status.pipeline.id,
            "allow_failure": False,
            "author": self.user(status.author),
        }

    def note(self, note: Note) -> dict[str, Any]:
        """https://docs.gitlab.com/api/notes/#get-single-merge-request-note"""
        return {
            "id": note.id,
            "body": note.body,
            "author": self.user(note.author),
            "created_at": moment(note.created_at),
            "updated_at": moment(note.updated_at),
            "system": note.system,
            "noteable_type": "MergeRequest",
            "noteable_iid": note.iid,
            "internal": False,
        }

    def hook(self, project: Project, hook: Hook) -> dict[str, Any]:
        """https://docs.gitlab.com/api/project_webhooks/#get-a-project-webhook; without its secret."""
        return {
            "id": hook.id,
            "url": hook.url,
            "project_id": project.id,
            "enable_ssl_verification": True,
            **hook.events,
        }

    # --- webhooks: https://docs.gitlab.com/user/project/integrations/webhook_events/

    def told_user(self, account: Account) -> dict[str, Any]:
        """Describe who did something."""
        return {
            "id": account.id,
            "name": account.username.title(),
            "username": account.username,
            "avatar_url": None,
            "email": "[REDACTED]",
        }

    def told_project(self, project: Project) -> dict[str, Any]:
        """Describe a project."""
        return {
            "id": project.id,
            "name": project.name,
            "web_url": f"{self.url}/{project.path}",
            "git_http_url": f"{self.url}/{project.path}.git",
            "namespace": project.path.rpartition("/")[0],
            "visibility_level": 0 if project.private else 20,
            "path_with_namespace": project.path,
            "default_branch": project.default_branch,
        }

    def told_merge_request(self, project: Project, request: MergeRequest) -> dict[str, Any]:
        """Describe a merge request: neither the author's name nor the target branch's commit is in it."""
        return {
            "id": request.id,
            "iid": request.iid,
            "target_branch": request.target_branch,
            "source_branch": request.source_branch,
            "source_project_id": request.source.id if request.source else None,
            "target_project_id": project.id,
            "author_id": request.author.id,
            "title": request.title,
            "created_at": told_moment(request.created_at),
            "updated_at": told_moment(request.updated_at),
            "state": request.state,
            "draft": request.draft,
            "work_in_progress": request.draft,
            "source": self.told_project(request.source) if request.source else None,
            "target": self.told_project(project),
            "last_commit": {"id": request.sha, "message": "Change", "author": {"name": "x", "email": "x@example.org"}},
            "url": f"{self.url}/{project.path}/-/merge_requests/{request.iid}",
        }

"""What people do at the stand-in, through its API or as tests say. GitLab tells the webhooks about all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.standins.github.git import Bare, Content
from tests.standins.gitlab.records import (
    Account,
    MergeRequest,
    Note,
    Pipeline,
    Project,
    moment,
    told_moment,
)
from tests.standins.gitlab.world import World

_ZERO: Final = "0" * 40
_DRAFT: Final = "Draft: "


class Acts:
    """Acts on a world as users of GitLab do."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._shapes = world.shapes

    # --- commits

    def push(
        self,
        project: Project,
        files: Mapping[str, Content | None],
        *,
        branch: str = "main",
        by: str = "root",
        parent: str | None = None,
        message: str = "Change",
    ) -> str:
        """Push one commit and return it; ``parent`` is what it stands on, for a push by force."""
        with self.world.lock:
            bare = Bare(project.folder)
            before = bare.sha(f"refs/heads/{branch}")
            under = parent or before or bare.sha(f"refs/heads/{project.default_branch}")
            after = bare.commit(branch, files, message=message, parent=under)
            self.pushed(project, branch, before, after, self.world.account(by))
            return after

    def delete_branch(self, project: Project, branch: str, *, by: str = "root") -> None:
        """Remove a branch."""
        with self.world.lock:
            bare = Bare(project.folder)
            before = bare.sha(f"refs/heads/{branch}")
            bare("update-ref", "-d", f"refs/heads/{branch}")
            self.pushed(project, branch, before, None, self.world.account(by))

    def tag(self, project: Project, name: str, *, by: str = "root") -> None:
        """Tag the default branch."""
        with self.world.lock:
            bare = Bare(project.folder)
            sha = bare("rev-parse", "refs/heads/main")
            bare("update-ref", f"refs/tags/{name}", sha)
            body = self._push_body(project, f"refs/tags/{name}", None, sha, self.world.account(by))
            self.world.tell(project, "tag_push_events", "Tag Push Hook", {**body, "object_kind": "tag_push"})

    def pushed(self, project: Project, branch: str, before: str | None, after: str | None, by: Account) -> None:
        """Tell of a push, and let merge requests follow."""
        body = self._push_body(project, f"refs/heads/{branch}", before, after, by)
        self.world.tell(project, "push_events", "Push Hook", body)
        for target in list(self.world.projects.values()):
            for request in target.merge_requests.values():
                if (
                    request.state == "opened"
                    and request.source is project
                    and request.source_branch == branch
                    and after
                ):
                    oldrev, request.sha = request.sha, after
                    self._settle(target, request)
                    self._told(target, request, "update", by, oldrev=oldrev)

    def _push_body(
        self, project: Project, ref: str, before: str | None, after: str | None, by: Account
    ) -> dict[str, Any]:
        return {
            "object_kind": "push",
            "event_name": "push",
            "before": before or _ZERO,
            "after": after or _ZERO,
            "ref": ref,
            "ref_protected": False,
            "checkout_sha": after,
            "user_id": by.id,
            "user_name": by.username.title(),
            "user_username": by.username,
            "user_email": None,
            "project_id": project.id,
            "project": self._shapes.told_project(project),
            "commits": [],
            "total_commits_count": 0,
        }

    def _settle(self, project: Project, request: MergeRequest) -> None:
        """Renew the ref and the dates of a merge request."""
        request.updated_at = self.world.now()
        target, source = Bare(project.folder), Bare((request.source or project).folder)
        target.take(source, request.sha, f"refs/merge-requests/{request.iid}/head")
        request.start_sha = target("rev-parse", f"refs/heads/{request.target_branch}")
        request.pipeline = None

    # --- merge requests

    def open(
        self,
        project: Project,
        branch: str,
        *,
        by: str,
        target: str = "main",
        source: Project | None = None,
        title: str = "Change something",
    ) -> MergeRequest:
        """Open a merge request of a branch, in a fork where ``source`` names one; a draft says so in its title."""
        with self.world.lock:
            head, now = source or project, self.world.now()
            sha, onto = Bare(head.folder).sha(f"refs/heads/{branch}"), Bare(project.folder).sha(target)
            assert sha, f"{head.path} has no branch {branch}"
            assert onto, f"{project.path} has no branch {target}"
            iid = len(project.merge_requests) + 1
            made = MergeRequest(
                self.world.next_id(), iid, title, self.world.account(by), head, branch, target, sha, onto, now, now,
                draft=title.startswith(_DRAFT),
            )  # fmt: skip
            project.merge_requests[iid] = made
            self._settle(project, made)
            self._told(project, made, "open", made.author)
            return made

    def close(self, project: Project, request: MergeRequest, *, by: str = "root", merged: bool = False) -> None:
        """Close a merge request, or merge it."""
        with self.world.lock:
            request.updated_at = self.world.now()
            if merged:
                bare = Bare(project.folder)
                before = bare("rev-parse", f"refs/heads/{request.target_branch}")
                assert bare.merge(f"refs/heads/{request.target_branch}", before, request.sha), "it conflicts"
                after = bare("rev-parse", f"refs/heads/{request.target_branch}")
                self.pushed(project, request.target_branch, before, after, self.world.account(by))
            request.state = "merged" if merged else "closed"
            self._told(project, request, "merge" if merged else "close", self.world.account(by))

    def reopen(self, project: Project, request: MergeRequest, *, by: str = "root") -> None:
        """Open a closed merge request again."""
        with self.world.lock:
            request.state = "opened"
            self._settle(project, request)
            self._told(project, request, "reopen", self.world.account(by))

    def retitle(self, project: Project, request: MergeRequest, title: str, *, by: str = "root") -> None:
        """Change the title of a merge request, and with it whether it is a draft."""
        with self.world.lock:
            changes: dict[str, Any] = {"title": {"previous": request.title, "current": title}}
            draft = title.startswith(_DRAFT)
            if draft is not request.draft:
                changes["draft"] = {"previous": request.draft, "current": draft}
            request.title, request.draft, request.updated_at = title, draft, self.world.now()
            self._told(project, request, "update", self.world.account(by), changes=changes)

    def retarget(self, project: Project, request: MergeRequest, target: str, *, by: str = "root") -> None:
        """Let a merge request be merged into another branch."""
        with self.world.lock:
            changes = {"target_branch": {"previous": request.target_branch, "current": target}}
            request.target_branch = target
            self._settle(project, request)
            self._told(project, request, "update", self.world.account(by), changes=changes)

    def approve(self, project: Project, request: MergeRequest, *, by: str, action: str = "approved") -> None:
        """Approve a merge request, or take that back: ``unapproved``."""
        with self.world.lock:
            self._told(project, request, action, self.world.account(by))

    def _told(
        self,
        project: Project,
        request: MergeRequest,
        action: str,
        by: Account,
        *,
        changes: Mapping[str, Any] | None = None,
        oldrev: str | None = None,
    ) -> None:
        described = {**self._shapes.told_merge_request(project, request), "action": action}
        if oldrev is not None:
            described["oldrev"] = oldrev
        body = {
            "object_kind": "merge_request",
            "event_type": "merge_request",
            "user": self._shapes.told_user(by),
            "project": self._shapes.told_project(project),
            "object_attributes": described,
            "labels": [],
            "changes": dict(changes or {}),
        }
        self.world.tell(project, "merge_requests_events", "Merge Request Hook", body)

    def pipeline(self, project: Project, request: MergeRequest) -> Pipeline:
        """Let GitLab's own CI begin a pipeline for a merge request."""
        with self.world.lock:
            ref = f"refs/merge-requests/{request.iid}/head"
            made = Pipeline(self.world.next_id(), request.sha, ref, "merge_request_event")
            project.pipelines[made.id] = made
            request.pipeline = made.id
            return made

    def train(self, project: Project, request: MergeRequest, *, onto: str | None = None) -> Pipeline:
        """Put a merge request on the merge train, behind another train's commit where ``onto`` names one."""
        with self.world.lock:
            bare, ref = Bare(project.folder), f"refs/merge-requests/{request.iid}/train"
            base = onto or bare("rev-parse", f"refs/heads/{request.target_branch}")
            assert bare.merge(ref, base, request.sha), "it conflicts"
            made = Pipeline(self.world.next_id(), bare("rev-parse", ref), ref, "merge_request_event", "created")
            project.pipelines[made.id] = made
            self.moved(project, request, made, "pending")
            return made

    def moved(self, project: Project, request: MergeRequest, pipeline: Pipeline, status: str) -> None:
        """Tell that a pipeline has another status. For the ref it names the source branch, whatever ran.

        https://docs.gitlab.com/user/project/integrations/webhook_events/#pipeline-events
        """
        with self.world.lock:
            pipeline.status = status
            body = {
                "object_kind": "pipeline",
                "object_attributes": {
                    "id": pipeline.id,
                    "ref": request.source_branch,
                    "tag": False,
                    "sha": pipeline.sha,
                    "before_sha": _ZERO,
                    "source": pipeline.source,
                    "status": status,
                },
                "merge_request": {
                    "id": request.id,
                    "iid": request.iid,
                    "source_branch": request.source_branch,
                    "target_branch": request.target_branch,
                    "target_project_id": project.id,
                    "state": request.state,
                },
                "user": self._shapes.told_user(request.author),
                "project": self._shapes.told_project(project),
                "commit": {"id": pipeline.sha, "message": "Merge"},
                "builds": [],
            }
            self.world.tell(project, "pipeline_events", "Pipeline Hook", body)

    # --- words

    def comment(self, project: Project, request: MergeRequest, body: str, *, by: Account) -> Note:
        """Write a note on a merge request."""
        with self.world.lock:
            now = self.world.now()
            made = Note(self.world.next_id(), request.iid, body, by, now, now)
            project.notes[made.id] = made
            self._noted(project, request, made, "create")
            return made

    def edit(self, project: Project, note: Note, body: str) -> None:
        """Change a note."""
        with self.world.lock:
            note.body, note.updated_at = body, self.world.now()
            self._noted(project, project.merge_requests[note.iid], note, "update")

    def _noted(self, project: Project, request: MergeRequest, note: Note, action: str) -> None:
        body = {
            "object_kind": "note",
            "event_type": "note",
            "user": self._shapes.told_user(note.author),
            "project_id": project.id,
            "project": self._shapes.told_project(project),
            "object_attributes": {
                "id": note.id,
                "internal": False,
                "note": note.body,
                "noteable_type": "MergeRequest",
                "author_id": note.author.id,
                "created_at": told_moment(note.created_at),
                "updated_at": told_moment(note.updated_at),
                "project_id": project.id,
                "noteable_id": request.id,
                "system": False,
                "action": action,
            },
            "merge_request": self._shapes.told_merge_request(project, request),
        }
        self.world.tell(project, "note_events", "Note Hook", body)

    # --- projects themselves: https://docs.gitlab.com/administration/system_hooks/

    def move(self, project: Project, path: str, *, kind: str = "project_rename") -> None:
        """Rename a project, or transfer it: ``project_transfer``."""
        with self.world.lock:
            before, project.path = project.path, path
            self.world.tell_system(self._of_project(project, kind) | {"old_path_with_namespace": before})

    def tell_of(self, project: Project, kind: str) -> None:
        """Tell that a project was made or destroyed: ``project_create``, ``project_destroy``."""
        with self.world.lock:
            self.world.tell_system(self._of_project(project, kind))

    def update(self, project: Project, changes: list[dict[str, str]], *, by: str = "root") -> None:
        """Tell the system hooks that refs changed."""
        account = self.world.account(by)
        body = {
            "event_name": "repository_update",
            "user_id": account.id,
            "user_name": account.username,
            "project_id": project.id,
            "project": self._shapes.told_project(project),
            "changes": changes,
            "refs": [each["ref"] for each in changes],
        }
        with self.world.lock:
            self.world.tell_system(body)

    def _of_project(self, project: Project, kind: str) -> dict[str, Any]:
        now = moment(self.world.now())
        return {
            "created_at": now,
            "updated_at": now,
            "event_name": kind,
            "name": project.name,
            "owner_name": "Root",
            "path": project.name,
            "path_with_namespace": project.path,
            "project_id": project.id,
            "project_visibility": "private" if project.private else "public",
        }

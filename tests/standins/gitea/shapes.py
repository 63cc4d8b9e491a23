"""Things as Gitea describes them: https://docs.gitea.com/api/1.23/."""

from __future__ import annotations

import base64
from typing import Any

from tests.standins.gitea.records import Account, Comment, Hook, Pull, Repository, Status, moment
from tests.standins.github.git import Bare

Json = dict[str, Any]
_BEGAN = 1_700_000_000


class Shapes:
    """Writes JSON."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api = f"{url}/api/v1"

    def user(self, account: Account) -> Json:
        """An account."""
        return {
            "id": account.id,
            "login": account.login,
            "login_name": "",
            "full_name": "",
            "email": f"{account.login}@noreply.example.org",
            "html_url": f"{self.url}/{account.login}",
            "is_admin": False,
            "created": moment(_BEGAN),
            "visibility": "public",
        }

    def repository(self, each: Repository, viewer: Account | None = None) -> Json:
        """A repository, with what the viewer may do."""
        link = f"{self.url}/{each.full_name}"
        granted = {name: viewer is not None and each.allows(viewer, role) for name, role in _GRANTS.items()}
        return {
            "id": each.id,
            "owner": self.user(each.owner),
            "name": each.name,
            "full_name": each.full_name,
            "description": "",
            "private": each.private,
            "fork": each.parent is not None,
            "parent": None,
            "mirror": False,
            "archived": each.archived,
            "url": f"{self.api}/repos/{each.full_name}",
            "html_url": link,
            "clone_url": f"{link}.git",
            "default_branch": each.default_branch,
            "permissions": granted,
            "created_at": moment(_BEGAN),
            "updated_at": moment(_BEGAN),
        }

    def pull(self, repository: Repository, each: Pull) -> Json:
        """A pull request, as in lists, answers and webhooks."""
        link = f"{self.url}/{repository.full_name}/pulls/{each.number}"
        base_sha = Bare(repository.folder).sha(f"refs/heads/{each.base}") or ""
        origin = each.head_repository
        return {
            "id": each.id,
            "url": link,
            "number": each.number,
            "user": self.user(each.author),
            "title": each.title,
            "body": "",
            "labels": [],
            "state": each.state,
            "draft": each.title.lower().startswith(("wip:", "[wip]")),
            "html_url": link,
            "mergeable": True,
            "merged": each.merged,
            "merged_at": moment(each.updated_at) if each.merged else None,
            "base": {
                "label": each.base,
                "ref": each.base,
                "sha": base_sha,
                "repo_id": repository.id,
                "repo": self.repository(repository),
            },
            "head": {
                "label": each.head,
                "ref": each.head if origin else f"refs/pull/{each.number}/head",
                "sha": each.head_sha,
                "repo_id": origin.id if origin else -1,
                "repo": self.repository(origin) if origin else None,
            },
            "merge_base": base_sha,
            "created_at": moment(each.created_at),
            "updated_at": moment(each.updated_at),
            "closed_at": None if each.state == "open" else moment(each.updated_at),
        }

    def issue(self, repository: Repository, each: Pull) -> Json:
        """A pull request as an issue, which comments hang on."""
        link = f"{self.url}/{repository.full_name}/pulls/{each.number}"
        return {
            "id": each.id,
            "url": f"{self.api}/repos/{repository.full_name}/issues/{each.number}",
            "html_url": link,
            "number": each.number,
            "user": self.user(each.author),
            "title": each.title,
            "body": "",
            "state": each.state,
            "created_at": moment(each.created_at),
            "updated_at": moment(each.updated_at),
            "pull_request": {"merged": each.merged, "merged_at": None, "draft": False, "html_url": link},
        }

    def comment(self, repository: Repository, each: Comment) -> Json:
        """A comment."""
        link = f"{self.url}/{repository.full_name}/pulls/{each.number}"
        return {
            "id": each.id,
            "html_url": f"{link}#issuecomment-{each.id}",
            "pull_request_url": link,
            "issue_url": "",
            "user": self.user(each.user),
            "body": each.body,
            "created_at": moment(each.created_at),
            "updated_at": moment(each.updated_at),
        }

    def status(self, repository: Repository, each: Status) -> Json:
        """A commit status."""
        return {
            "id": each.id,
            "status": each.state,
            "target_url": each.target_url,
            "description": each.description,
            "url": f"{self.api}/repos/{repository.full_name}/statuses/{each.sha}",
            "context": each.context,
            "creator": self.user(each.creator),
            "created_at": moment(each.created_at),
            "updated_at": moment(each.created_at),
        }

    def hook(self, each: Hook) -> Json:
        """A webhook, without its secret."""
        return {
            "id": each.id,
            "type": each.type,
            "config": {"content_type": each.content_type, "url": each.url},
            "events": sorted(each.events),
            "authorization_header": "",
            "branch_filter": each.branch_filter,
            "active": each.active,
            "created_at": moment(_BEGAN),
            "updated_at": moment(_BEGAN),
        }

    def entry(self, bare: Bare, path: str, entry: tuple[str, str, str], *, whole: bool) -> Json:
        """What stands at a path; ``whole`` with what it holds."""
        mode, kind, sha = entry
        found = {"tree": "dir", "commit": "submodule"}.get(kind) or ("symlink" if mode == "120000" else "file")
        content = bare.blob(sha) if kind == "blob" else b""
        shown = whole and found == "file"
        return {
            "name": path.rpartition("/")[2],
            "path": path,
            "sha": sha,
            "type": found,
            "size": len(content),
            "encoding": "base64" if shown else None,
            "content": base64.b64encode(content).decode() if shown else None,
            "target": content.decode() if found == "symlink" else None,
        }


_GRANTS = {"admin": "admin", "push": "write", "pull": "read"}

"""How the stand-in writes what it has: only what it knows; the published description says what else must be there.

Names of fields: https://docs.github.com/en/rest and https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from typing import Any

from tests.standins.github.git import Bare
from tests.standins.github.records import (
    Account,
    App,
    CheckRun,
    Comment,
    CommitStatus,
    Delivery,
    Installation,
    Pull,
    Repository,
    Review,
    moment,
)

Json = dict[str, Any]


class Shapes:
    """Writes records as GitHub does; ``url`` is where the stand-in is for people and git, ``api`` where its API is."""

    def __init__(self, url: str, api: str) -> None:
        self.url = url
        self.api = api

    def user(self, account: Account) -> Json:
        """An account."""
        return {
            "login": account.login,
            "id": account.id,
            "node_id": f"U_{account.id}",
            "type": account.type,
            "site_admin": False,
            "url": f"{self.api}/users/{account.login}",
            "html_url": f"{self.url}/{account.login}",
        }

    def small_app(self, app: App) -> Json:
        """An App as checks name it: the published list of events there is older than merge queues."""
        return self.app(app) | {"events": [event for event in app.events if event != "merge_group"]}

    def app(self, app: App) -> Json:
        """An App, with what its registration asks for."""
        return {
            "id": app.id,
            "slug": app.slug,
            "name": app.slug,
            "client_id": app.client_id,
            "node_id": f"A_{app.id}",
            "owner": self.user(app.owner),
            "permissions": dict(app.permissions),
            "events": list(app.events),
        }

    def installation(self, each: Installation) -> Json:
        """An installation, with what the account granted."""
        return {
            "id": each.id,
            "account": self.user(each.account),
            "app_id": each.app.id,
            "app_slug": each.app.slug,
            "target_id": each.account.id,
            "target_type": each.account.type,
            "permissions": dict(each.permissions),
            "events": list(each.app.events),
            "repository_selection": "all" if each.repositories is None else "selected",
            "suspended_at": moment(0) if each.suspended else None,
        }

    def repository(self, each: Repository) -> Json:
        """A repository."""
        api = f"{self.api}/repos/{each.full_name}"
        return {
            "id": each.id,
            "node_id": f"R_{each.id}",
            "name": each.name,
            "full_name": each.full_name,
            "private": each.private,
            "visibility": "private" if each.private else "public",
            "owner": self.user(each.owner),
            "fork": each.parent is not None,
            "default_branch": each.default_branch,
            "url": api,
            "html_url": f"{self.url}/{each.full_name}",
            "clone_url": f"{self.url}/{each.full_name}.git",
        }

    def pull(self, repository: Repository, each: Pull) -> Json:
        """A pull request."""
        head = each.head_repository
        link = f"{self.api}/repos/{repository.full_name}/pulls/{each.number}"
        return {
            "id": each.id,
            "node_id": f"PR_{each.id}",
            "number": each.number,
            "url": link,
            "html_url": f"{self.url}/{repository.full_name}/pull/{each.number}",
            "title": each.title,
            "user": self.user(each.author),
            "state": each.state,
            "draft": each.draft,
            "merged": each.merged,
            "locked": False,
            "author_association": "NONE",
            "created_at": moment(each.created_at),
            "updated_at": moment(each.updated_at),
            "closed_at": moment(each.updated_at) if each.state == "closed" else None,
            "merged_at": moment(each.updated_at) if each.merged else None,
            "head": {
                "label": f"{(head or repository).owner.login}:{each.head}",
                "ref": each.head,
                "sha": each.head_sha,
                "user": self.user(head.owner) if head else self.user(each.author),
                "repo": self.repository(head) if head else None,
            },
            "base": {
                "label": f"{repository.owner.login}:{each.base}",
                "ref": each.base,
                "sha": each.base_sha,
                "user": self.user(repository.owner),
                "repo": self.repository(repository),
            },
        }

    def small_pull(self, repository: Repository, each: Pull) -> Json:
        """A pull request as checks name it."""
        place = {"id": repository.id, "name": repository.name, "url": f"{self.api}/repos/{repository.full_name}"}
        return {
            "id": each.id,
            "number": each.number,
            "url": f"{self.api}/repos/{repository.full_name}/pulls/{each.number}",
            "head": {"ref": each.head, "sha": each.head_sha, "repo": place},
            "base": {"ref": each.base, "sha": each.base_sha, "repo": place},
        }

    def check_run(self, repository: Repository, each: CheckRun) -> Json:
        """A check run. Pull requests from forks are not named, as at GitHub."""
        link = f"{self.api}/repos/{repository.full_name}/check-runs/{each.id}"
        own = [pull for pull in repository.pulls.values() if pull.head_sha == each.head_sha and pull.state == "open"]
        return {
            "id": each.id,
            "node_id": f"CR_{each.id}",
            "name": each.name,
            "head_sha": each.head_sha,
            "external_id": each.external_id,
            "url": link,
            "html_url": f"{self.url}/{repository.full_name}/runs/{each.id}",
            "details_url": each.details_url or f"{self.url}/apps/{each.app.slug}",
            "status": each.status,
            "conclusion": each.conclusion,
            "started_at": each.started_at,
            "completed_at": each.completed_at,
            "output": {
                "title": each.title,
                "summary": each.summary,
                "text": each.text,
                "annotations_count": len(each.annotations),
                "annotations_url": f"{link}/annotations",
            },
            "check_suite": {"id": each.suite},
            "app": self.small_app(each.app),
            "pull_requests": [self.small_pull(repository, one) for one in own if one.head_repository is repository],
        }

    def check_suite(self, repository: Repository, app: App, sha: str) -> Json:
        """The check suite of an App at a commit."""
        runs = [run for run in repository.checks.values() if run.head_sha == sha and run.app is app]
        done = bool(runs) and all(run.status == "completed" for run in runs)
        branches = [name for name, at in _branches(repository).items() if at == sha]
        return {
            "id": repository.suites[app.id, sha],
            "node_id": f"CS_{repository.suites[app.id, sha]}",
            "head_sha": sha,
            "head_branch": branches[0] if branches else None,
            "status": "completed" if done else "queued",
            "conclusion": "success" if done else None,
            "app": self.small_app(app),
            "before": None,
            "after": sha,
            "pull_requests": [],
            "latest_check_runs_count": len(runs),
        }

    def status(self, each: CommitStatus) -> Json:
        """A commit status."""
        return {
            "id": each.id,
            "context": each.context,
            "state": each.state,
            "description": each.description,
            "target_url": each.target_url,
            "creator": self.user(each.creator),
        }

    def comment(self, repository: Repository, each: Comment) -> Json:
        """A comment."""
        api = f"{self.api}/repos/{repository.full_name}/issues"
        return {
            "id": each.id,
            "node_id": f"IC_{each.id}",
            "body": each.body,
            "user": self.user(each.user),
            "url": f"{api}/comments/{each.id}",
            "html_url": f"{self.url}/{repository.full_name}/pull/{each.number}#issuecomment-{each.id}",
            "issue_url": f"{api}/{each.number}",
            "author_association": "NONE",
            "created_at": moment(each.created_at),
            "updated_at": moment(each.updated_at),
        }

    def review(self, each: Review) -> Json:
        """A review."""
        return {
            "id": each.id,
            "node_id": f"PRR_{each.id}",
            "user": self.user(each.user),
            "state": each.state,
            "commit_id": each.sha,
            "body": None,
            "submitted_at": moment(each.submitted_at),
            "author_association": "NONE",
        }

    def delivery(self, each: Delivery) -> Json:
        """One attempt at a delivery, as the list has it."""
        return {
            "id": each.id,
            "guid": each.guid,
            "delivered_at": moment(each.delivered_at),
            "redelivery": each.redelivery,
            "duration": each.seconds,
            "status": each.status,
            "status_code": each.status_code,
            "event": each.event,
            "action": each.action,
            "installation_id": each.installation,
            "repository_id": each.repository,
        }


def _branches(repository: Repository) -> dict[str, str]:
    return Bare(repository.folder).branches()

"""What people do at the stand-in: push, open pull requests, comment. GitHub tells the Apps about all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.standins.github.git import Bare, Content
from tests.standins.github.owners import Owners
from tests.standins.github.records import App, CheckRun, Comment, Pull, Repository, Review

_ZERO: Final = "0" * 40


class People(Owners):
    """Acts on a world as users of GitHub do, through its pages."""

    # --- commits

    def push(
        self,
        repository: Repository,
        files: Mapping[str, Content | None],
        *,
        branch: str = "main",
        by: str | None = None,
        parent: str | None = None,
        message: str = "Change",
    ) -> str:
        """Push one commit and return it.

        Args:
            repository: where to.
            files: what it changes; None removes a file.
            branch: which is made where it is not there.
            by: who pushes; the owner unless said.
            parent: what it stands on, for a push by force; the branch, or else the default branch, unless said.
            message: of the commit.
        """
        with self._world.lock:
            bare = Bare(repository.folder)
            before = bare.sha(f"refs/heads/{branch}")
            under = parent or before or bare.sha(f"refs/heads/{repository.default_branch}")
            after = bare.commit(branch, files, message=message, parent=under)
            self._pushed(repository, branch, before, after, by or repository.owner.login)
            return after

    def delete_branch(self, repository: Repository, branch: str, *, by: str | None = None) -> None:
        """Remove a branch."""
        with self._world.lock:
            bare = Bare(repository.folder)
            before = bare.sha(f"refs/heads/{branch}")
            bare("update-ref", "-d", f"refs/heads/{branch}")
            self._pushed(repository, branch, before, None, by or repository.owner.login)

    def _pushed(self, repository: Repository, branch: str, before: str | None, after: str | None, by: str) -> None:
        sender = self._world.account(by)
        body = {
            "ref": f"refs/heads/{branch}",
            "before": before or _ZERO,
            "after": after or _ZERO,
            "created": before is None,
            "deleted": after is None,
            "forced": False,
            "pusher": {"name": by, "email": f"{by}@example.org"},
            "commits": [],
            "head_commit": None,
        }
        self._world.tell("push", body, repository=repository, sender=sender)
        if after is None:
            return
        self._suites(repository, after)
        for target, pull in self._world.pulls_at(repository, branch):
            pull.head_sha = after
            self._settle(target, pull)
            self._told(target, pull, "synchronize", by, before=before or _ZERO, after=after)
        for pull in repository.pulls.values():
            if pull.state == "open" and pull.base == branch:
                pull.base_sha = after
                self._settle(repository, pull)

    def _suites(self, repository: Repository, sha: str) -> None:
        """Make the check suites that GitHub makes by itself for each push, and tell of them."""
        for app in self._world.apps.values():
            through = self._world.covering(app, repository)
            if through and through.permissions.get("checks") == "write":
                self._world.suite(repository, app, sha)
                suite = self._shapes.check_suite(repository, app, sha)
                body = {"action": "requested", "check_suite": suite}
                self._world.tell("check_suite", body, repository=repository, sender=repository.owner, only=app)

    def _settle(self, repository: Repository, pull: Pull) -> None:
        """Renew the refs of a pull request."""
        pull.updated_at = self._world.now()
        target, source = Bare(repository.folder), Bare((pull.head_repository or repository).folder)
        target.take(source, pull.head_sha, f"refs/pull/{pull.number}/head")
        base = target.sha(f"refs/heads/{pull.base}")
        if base:
            target.merge(f"refs/pull/{pull.number}/merge", base, pull.head_sha)

    # --- pull requests

    def open_pull(
        self,
        repository: Repository,
        branch: str,
        *,
        author: str,
        base: str = "main",
        source: Repository | None = None,
        title: str = "Change something",
        draft: bool = False,
    ) -> Pull:
        """Open a pull request of a branch, in a fork where ``source`` names one."""
        with self._world.lock:
            head, now = source or repository, self._world.now()
            head_sha, base_sha = Bare(head.folder).sha(f"refs/heads/{branch}"), Bare(repository.folder).sha(base)
            assert head_sha, f"{head.full_name} has no branch {branch}"
            assert base_sha, f"{repository.full_name} has no branch {base}"
            number = len(repository.pulls) + 1
            pull = Pull(
                id=self._world.next_id(), number=number, title=title, author=self._world.account(author), base=base,
                base_sha=base_sha, head=branch, head_sha=head_sha, head_repository=head, created_at=now,
                updated_at=now, draft=draft,
            )  # fmt: skip
            repository.pulls[number] = pull
            self._settle(repository, pull)
            self._told(repository, pull, "opened", author)
            return pull

    def close(self, repository: Repository, pull: Pull, *, by: str | None = None, merged: bool = False) -> None:
        """Close a pull request, or merge it."""
        with self._world.lock:
            pull.state, pull.merged, pull.updated_at = "closed", merged, self._world.now()
            if merged:
                bare = Bare(repository.folder)
                made = bare.sha(f"refs/pull/{pull.number}/merge")
                assert made, "it conflicts"
                bare("update-ref", f"refs/heads/{pull.base}", made)
                self._pushed(repository, pull.base, pull.base_sha, made, by or pull.author.login)
            self._told(repository, pull, "closed", by)

    def reopen(self, repository: Repository, pull: Pull, *, by: str | None = None) -> None:
        """Open a closed pull request again."""
        with self._world.lock:
            pull.state = "open"
            self._settle(repository, pull)
            self._told(repository, pull, "reopened", by)

    def draft(self, repository: Repository, pull: Pull, *, draft: bool, by: str | None = None) -> None:
        """Say whether a pull request is ready for review."""
        with self._world.lock:
            pull.draft, pull.updated_at = draft, self._world.now()
            self._told(repository, pull, "converted_to_draft" if draft else "ready_for_review", by)

    def retarget(self, repository: Repository, pull: Pull, base: str, *, by: str | None = None) -> None:
        """Let a pull request be merged into another branch."""
        with self._world.lock:
            was = {"ref": {"from": pull.base}, "sha": {"from": pull.base_sha}}
            sha = Bare(repository.folder).sha(f"refs/heads/{base}")
            assert sha, f"{repository.full_name} has no branch {base}"
            pull.base, pull.base_sha = base, sha
            self._settle(repository, pull)
            self._told(repository, pull, "edited", by, changes={"base": was})

    def retitle(self, repository: Repository, pull: Pull, title: str, *, by: str | None = None) -> None:
        """Change the title of a pull request."""
        with self._world.lock:
            before, pull.title, pull.updated_at = pull.title, title, self._world.now()
            self._told(repository, pull, "edited", by, changes={"title": {"from": before}})

    def enqueue(self, repository: Repository, pull: Pull, *, by: str | None = None) -> None:
        """Put a pull request into the merge queue."""
        with self._world.lock:
            self._told(repository, pull, "enqueued", by)

    def dequeue(self, repository: Repository, pull: Pull, *, by: str | None = None) -> None:
        """Take a pull request out of the merge queue."""
        with self._world.lock:
            self._told(repository, pull, "dequeued", by, reason="MANUAL")

    def _told(self, repository: Repository, pull: Pull, action: str, by: str | None, **more: Any) -> None:
        body = {"action": action, "number": pull.number, "pull_request": self._shapes.pull(repository, pull), **more}
        sender = self._world.account(by) if by else pull.author
        self._world.tell("pull_request", body, repository=repository, sender=sender)

    # --- the merge queue

    def merge_group(self, repository: Repository, pull: Pull) -> tuple[str, str]:
        """Let the merge queue ask for checks of a pull request; return the group's branch and commit."""
        with self._world.lock:
            bare = Bare(repository.folder)
            base = bare.sha(f"refs/heads/{pull.base}")
            branch = f"gh-readonly-queue/{pull.base}/pr-{pull.number}-{base}"
            assert base, f"{repository.full_name} has no branch {pull.base}"
            assert bare.merge(f"refs/heads/{branch}", base, pull.head_sha), "it conflicts"
            sha = bare("rev-parse", f"refs/heads/{branch}")
            self._suites(repository, sha)
            self._group(repository, "checks_requested", branch, sha, pull)
            return branch, sha

    def drop_group(self, repository: Repository, pull: Pull, branch: str, reason: str = "dequeued") -> None:
        """Let the merge queue give a group up: ``merged``, ``invalidated`` or ``dequeued``."""
        with self._world.lock:
            bare = Bare(repository.folder)
            sha = bare("rev-parse", f"refs/heads/{branch}")
            bare("update-ref", "-d", f"refs/heads/{branch}")
            self._group(repository, "destroyed", branch, sha, pull, reason=reason)

    def _group(self, repository: Repository, action: str, branch: str, sha: str, pull: Pull, **more: Any) -> None:
        person = {"name": pull.author.login, "email": f"{pull.author.login}@example.org"}
        group = {
            "head_sha": sha,
            "head_ref": f"refs/heads/{branch}",
            "base_sha": pull.base_sha,
            "base_ref": f"refs/heads/{pull.base}",
            "head_commit": {"id": sha, "tree_id": sha, "message": pull.title, "author": person, "committer": person},
        }
        body = {"action": action, "merge_group": group, **more}
        self._world.tell("merge_group", body, repository=repository, sender=pull.author)

    # --- checks

    def rerun(self, repository: Repository, check: CheckRun, *, by: str) -> None:
        """Press Re-run at one check."""
        with self._world.lock:
            body = {"action": "rerequested", "check_run": self._shapes.check_run(repository, check)}
            self._world.tell("check_run", body, repository=repository, sender=self._world.account(by), only=check.app)

    def press(self, repository: Repository, check: CheckRun, identifier: str, *, by: str) -> None:
        """Press a button of a check."""
        with self._world.lock:
            assert identifier in {each["identifier"] for each in check.actions}, "there is no such button"
            body = {
                "action": "requested_action",
                "check_run": self._shapes.check_run(repository, check),
                "requested_action": {"identifier": identifier},
            }
            self._world.tell("check_run", body, repository=repository, sender=self._world.account(by), only=check.app)

    def rerun_all(self, repository: Repository, app: App, sha: str, *, by: str) -> None:
        """Press Re-run all checks."""
        with self._world.lock:
            suite = self._shapes.check_suite(repository, app, sha)
            body = {"action": "rerequested", "check_suite": suite}
            self._world.tell("check_suite", body, repository=repository, sender=self._world.account(by), only=app)

    def workflow(self, repository: Repository, pull: Pull, *, by: str, action: str = "requested") -> None:
        """Let a workflow of somebody else run on a pull request's commit."""
        with self._world.lock:
            actor = self._shapes.user(self._world.account(by))
            run = {
                "id": self._world.next_id(),
                "head_sha": pull.head_sha,
                "head_branch": pull.head,
                "event": "pull_request",
                "actor": self._shapes.user(pull.author),
                "triggering_actor": actor,
                "conclusion": "success" if action == "completed" else None,
                "status": "completed" if action == "completed" else "requested",
                "repository": self._shapes.repository(repository),
                "head_repository": self._shapes.repository(pull.head_repository or repository),
            }
            body = {"action": action, "workflow_run": run, "workflow": None}
            self._world.tell("workflow_run", body, repository=repository, sender=self._world.account(by))

    # --- words

    def comment(self, repository: Repository, pull: Pull, body: str, *, by: str) -> Comment:
        """Comment on a pull request."""
        with self._world.lock:
            now, account = self._world.now(), self._world.account(by)
            made = Comment(self._world.next_id(), pull.number, body, account, now, now)
            repository.comments[made.id] = made
            self.commented(repository, made, "created")
            return made

    def commented(self, repository: Repository, comment: Comment, action: str) -> None:
        """Tell of a comment, whoever wrote it."""
        pull = repository.pulls[comment.number]
        link = f"{self._shapes.api}/repos/{repository.full_name}/pulls/{pull.number}"
        issue = {
            "id": pull.id,
            "number": pull.number,
            "title": pull.title,
            "user": self._shapes.user(pull.author),
            "state": pull.state,
            "pull_request": {"url": link},
        }
        body: dict[str, Any] = {"action": action, "issue": issue, "comment": self._shapes.comment(repository, comment)}
        if action == "edited":
            body["changes"] = {}
        self._world.tell("issue_comment", body, repository=repository, sender=comment.user)

    def review(self, repository: Repository, pull: Pull, state: str, *, by: str) -> Review:
        """Review a pull request: ``approved``, ``changes_requested`` or ``commented``."""
        with self._world.lock:
            account, now = self._world.account(by), self._world.now()
            made = Review(self._world.next_id(), pull.number, pull.head_sha, state, account, now)
            repository.reviews.append(made)
            self._reviewed(repository, pull, made, "submitted")
            return made

    def dismiss(self, repository: Repository, pull: Pull, review: Review, *, by: str) -> None:
        """Dismiss a review."""
        with self._world.lock:
            review.state = "dismissed"
            self._reviewed(repository, pull, review, "dismissed", by)

    def _reviewed(self, repository: Repository, pull: Pull, review: Review, action: str, by: str | None = None) -> None:
        body = {
            "action": action,
            "pull_request": self._shapes.pull(repository, pull),
            "review": self._shapes.review(review),
        }
        sender = self._world.account(by) if by else review.user
        self._world.tell("pull_request_review", body, repository=repository, sender=sender)

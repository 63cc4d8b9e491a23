"""What people and tokens do there, with all that follows: refs, times, webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.standins.gitea.deliveries import tell
from tests.standins.gitea.records import Account, Comment, Pull, Repository
from tests.standins.gitea.world import World
from tests.standins.github.git import Bare, Content

_NOTHING: Final = "0" * 40
_REVIEWS: Final = {"approved": "approved", "rejected": "rejected", "comment": "comment"}


class Acts:
    """Changes the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shapes = world.shapes

    def push(
        self, repository: Repository, files: Mapping[str, Content | None], *, branch: str, by: str, new: bool = False
    ) -> str:
        """Commit to a branch and push it; ``new`` begins at the default branch again, as a forced push does."""
        with self._world.lock:
            bare = Bare(repository.folder)
            before = bare.branches()
            parent = None if new else bare.sha(f"refs/heads/{branch}")
            start = parent or bare.sha(f"refs/heads/{repository.default_branch}")
            sha = bare.commit(branch, files, message=f"Change {branch}", parent=start)
            self.pushed(repository, before, self._world.account(by))
            return sha

    def pushed(self, repository: Repository, before: Mapping[str, str], by: Account) -> None:
        """Tell of branches that are not where they were, and let pull requests follow."""
        with self._world.lock:
            after = Bare(repository.folder).branches()
            for branch in sorted(before.keys() | after.keys()):
                old, new = before.get(branch, _NOTHING), after.get(branch, _NOTHING)
                if old != new:
                    self._tell_push(repository, branch, (old, new), by)
                    self._follow(repository, branch, new, by)

    def _tell_push(self, repository: Repository, branch: str, shas: tuple[str, str], by: Account) -> None:
        payload = {
            "ref": f"refs/heads/{branch}",
            "before": shas[0],
            "after": shas[1],
            "compare_url": "",
            "commits": [],
            "total_commits": 0,
            "head_commit": None,
            "repository": self._shapes.repository(repository, repository.owner),
            "pusher": self._shapes.user(by),
            "sender": self._shapes.user(by),
        }
        tell(self._world, repository, "push", payload)

    def _follow(self, repository: Repository, branch: str, sha: str, by: Account) -> None:
        for target in list(self._world.repositories.values()):
            for pull in target.pulls.values():
                if pull.head_repository is repository and pull.head == branch and pull.state == "open":
                    if sha == _NOTHING:
                        continue
                    pull.head_sha, pull.updated_at = sha, self._world.now()
                    Bare(target.folder).take(Bare(repository.folder), sha, f"refs/pull/{pull.number}/head")
                    self._tell_pull(target, pull, "synchronized", by, event="pull_request_sync")

    def open_pull(
        self, repository: Repository, head: str, *, by: str, source: Repository | None = None, title: str = "A change",
        base: str = "",
    ) -> Pull:  # fmt: skip
        """Open a pull request."""
        with self._world.lock:
            origin, account, now = source or repository, self._world.account(by), self._world.now()
            sha = Bare(origin.folder).sha(f"refs/heads/{head}")
            assert sha is not None, head
            number = len(repository.pulls) + 1
            made = Pull(
                self._world.next_id(), number, title, account, base or repository.default_branch, head, sha, origin,
                now, now,
            )  # fmt: skip
            repository.pulls[number] = made
            Bare(repository.folder).take(Bare(origin.folder), sha, f"refs/pull/{number}/head")
            self._tell_pull(repository, made, "opened", account)
            return made

    def _tell_pull(
        self, repository: Repository, pull: Pull, action: str, by: Account, *, event: str = "pull_request", **more: Any
    ) -> None:
        payload = {
            "action": action,
            "number": pull.number,
            **({"changes": more.pop("changes")} if "changes" in more else {}),
            "pull_request": self._shapes.pull(repository, pull),
            "requested_reviewer": None,
            "repository": self._shapes.repository(repository, repository.owner),
            "sender": self._shapes.user(by),
            "commit_id": "",
            "review": more.pop("review", None),
        }
        tell(self._world, repository, event, payload)

    def edit(self, repository: Repository, pull: Pull, *, by: str, **changes: str) -> None:
        """Change title, base or state."""
        with self._world.lock:
            account, pull.updated_at = self._world.account(by), self._world.now()
            if "title" in changes:
                before, pull.title = pull.title, changes["title"]
                self._tell_pull(repository, pull, "edited", account, changes={"title": {"from": before}})
            if "base" in changes:
                before, pull.base = pull.base, changes["base"]
                self._tell_pull(repository, pull, "edited", account, changes={"ref": {"from": before}})
            if "state" in changes:
                pull.state = changes["state"]
                self._tell_pull(repository, pull, "reopened" if pull.state == "open" else "closed", account)

    def label(self, repository: Repository, pull: Pull, *, by: str) -> None:
        """Put a label on it."""
        with self._world.lock:
            account = self._world.account(by)
            self._tell_pull(repository, pull, "label_updated", account, event="pull_request_label")

    def review(self, repository: Repository, pull: Pull, opinion: str, *, by: str) -> None:
        """Review a pull request: ``approved``, ``rejected`` or ``comment``."""
        with self._world.lock:
            event = f"pull_request_review_{_REVIEWS[opinion]}"
            review = {"type": event, "content": ""}
            self._tell_pull(repository, pull, "reviewed", self._world.account(by), event=event, review=review)

    def merge(self, repository: Repository, pull: Pull, *, by: Account) -> None:
        """Merge a pull request."""
        with self._world.lock:
            bare = Bare(repository.folder)
            before = bare.branches()
            bare("update-ref", f"refs/heads/{pull.base}", pull.head_sha)
            pull.merged, pull.state, pull.updated_at = True, "closed", self._world.now()
            self._tell_pull(repository, pull, "closed", by)
            self.pushed(repository, before, by)

    def comment(self, repository: Repository, pull: Pull, body: str, *, by: Account) -> Comment:
        """Comment on a pull request."""
        with self._world.lock:
            now = self._world.now()
            made = Comment(self._world.next_id(), pull.number, body, by, now, now)
            repository.comments[made.id] = made
            pull.updated_at = now
            self.commented(repository, made, "created", by)
            return made

    def commented(self, repository: Repository, comment: Comment, action: str, by: Account) -> None:
        """Tell of a comment."""
        payload = {
            "action": action,
            "issue": self._shapes.issue(repository, repository.pulls[comment.number]),
            "comment": self._shapes.comment(repository, comment),
            **({"changes": {"body": {"from": ""}}} if action == "edited" else {}),
            "repository": self._shapes.repository(repository, repository.owner),
            "sender": self._shapes.user(by),
            "is_pull": True,
        }
        tell(self._world, repository, "pull_request_comment", payload)

    def made_known(self, repository: Repository, action: str, *, by: str) -> None:
        """Tell that a repository was made, or deleted."""
        with self._world.lock:
            payload = {
                "action": action,
                "repository": self._shapes.repository(repository, repository.owner),
                "organization": self._shapes.user(repository.owner),
                "sender": self._shapes.user(self._world.account(by)),
            }
            tell(self._world, repository, "repository", payload)

    def rename(self, repository: Repository, name: str) -> None:
        """Give a repository another name; the old one leads there."""
        with self._world.lock:
            repository.earlier_names.append(repository.full_name.lower())
            repository.name = name

    def test_hook(self, repository: Repository, *, by: Account) -> None:
        """Send what the button for a test sends: a push of nothing."""
        with self._world.lock:
            sha = Bare(repository.folder)("rev-parse", f"refs/heads/{repository.default_branch}")
            self._tell_push(repository, repository.default_branch, (sha, sha), by)

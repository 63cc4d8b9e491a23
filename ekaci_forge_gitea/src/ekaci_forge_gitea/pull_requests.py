"""Gitea's description of pull requests and people. Pure.

https://docs.gitea.com/api/1.23/#tag/repository/operation/repoGetPullRequest; webhooks and lists have the same fields.
"""

from __future__ import annotations

from typing import Final

from ekaci_core.api import Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.api.fields import Fields, is_login

# Accounts of nobody: who was deleted, and who runs Gitea's own jobs. They have no number above 0:
# https://github.com/go-gitea/gitea/blob/main/models/user/user_system.go
_NOBODIES: Final = frozenset({-1, -2})
_DRAFT: Final = ("wip:", "[wip]")
"""How titles of drafts begin, unless the server's ``WORK_IN_PROGRESS_PREFIXES`` says otherwise; case does not matter:
https://docs.gitea.com/administration/config-cheat-sheet#repository---pull-request-repositorypull-request"""


def person_of(described: Fields, key: str) -> Person:
    """Return an account, also one of nobody.

    Raises:
        Malformed: it is no account.
    """
    raw = described.mapping(key) if described.has(key) else {}
    number = raw.get("id")
    if isinstance(number, int) and not isinstance(number, bool) and number in _NOBODIES:
        login = described.object(key).text("login", "")
        return Person(login if is_login(login) else "ghost", number)
    return described.person(key)


def is_nobody(person: Person) -> bool:
    """Whether no person stands behind an account."""
    return person.id in _NOBODIES or person.login.endswith("[bot]")


def pull_request_of(described: Fields, repository: RepositoryId) -> PullRequest:
    """Return the pull request of ``repository`` that is described.

    Raises:
        Malformed: something is missing or is not what its name says.
    """
    base, head = described.object("base"), described.object("head")
    title = described.line("title")
    return PullRequest(
        repository=repository,
        number=described.number("number"),
        title=title,
        author=person_of(described, "user") if described.has("user") else Person("ghost", -1),
        state=_state(described),
        # Before 1.21 there is no such field, and the title is all that tells it.
        draft=described.flag("draft") or is_draft_title(title),
        base=base.branch("ref"),
        base_sha=base.sha("sha"),
        head=head.branch("ref"),
        head_sha=head.sha("sha"),
        head_repository=_origin(head, repository),
        updated_at=described.time("updated_at"),
    )


def is_draft_title(title: str) -> bool:
    """Whether a title says that its author is not ready."""
    return title.strip().lower().startswith(_DRAFT)


def _origin(head: Fields, repository: RepositoryId) -> RepositoryId | None:
    """Who pushes to ``refs/for/BRANCH`` needs no right to write: such a head is in no branch of the repository."""
    if not head.has("repo") or head.text("ref").startswith("refs/"):
        return None
    return head.object("repo").repository(repository.forge)


def _state(described: Fields) -> PullRequestState:
    if described.has("merged_at") or described.flag("merged"):
        return PullRequestState.MERGED
    return PullRequestState.OPEN if described.text("state") == "open" else PullRequestState.CLOSED

"""GitHub's description of a pull request. Pure.

https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request; webhooks and lists have the same fields.
"""

from __future__ import annotations

from typing import Final

from ekaci_core.api import Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.api.fields import Fields

# What GitHub shows for accounts that are gone: https://docs.github.com/en/rest/users
GHOST: Final = Person("ghost", 10137)


def pull_request_of(described: Fields, repository: RepositoryId) -> PullRequest:
    """Return the pull request of ``repository`` that is described.

    Raises:
        Malformed: something is missing or is not what its name says.
    """
    base, head = described.object("base"), described.object("head")
    origin = head.object("repo").repository(repository.forge) if head.has("repo") else None
    return PullRequest(
        repository=repository,
        number=described.number("number"),
        title=described.line("title"),
        author=described.person("user") if described.has("user") else GHOST,
        state=_state(described),
        draft=described.flag("draft"),
        base=base.branch("ref"),
        base_sha=base.sha("sha"),
        head=head.branch("ref"),
        head_sha=head.sha("sha"),
        head_repository=origin,
        updated_at=described.time("updated_at"),
    )


def _state(described: Fields) -> PullRequestState:
    if described.has("merged_at") or described.flag("merged"):
        return PullRequestState.MERGED
    return PullRequestState.OPEN if described.text("state") == "open" else PullRequestState.CLOSED

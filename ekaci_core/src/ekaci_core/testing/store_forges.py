"""Repositories, pull requests, wishes and checks for tests of stores that serve forges."""

from __future__ import annotations

import attrs

from ekaci_core.model.check import Check, CheckStatus, Conclusion
from ekaci_core.model.forge import Branch, Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish

HERE = RepositoryId("git.example.org", "Owner/repository")
THERE = RepositoryId("git.example.org", "other/one")
FORK = RepositoryId("git.example.org", "someone/repository")


def sha(letter: str) -> CommitSha:
    """Make the commit of forty times a hexadecimal digit."""
    return CommitSha(letter * 40)


def pull_request(number: int = 1, *, updated_at: float = 10.0, **changes: object) -> PullRequest:
    """Make an open pull request from a fork."""
    told = PullRequest(
        repository=HERE,
        number=number,
        title=f"change {number}",
        author=Person("someone", 7),
        state=PullRequestState.OPEN,
        draft=False,
        base=Branch("main"),
        base_sha=sha("b"),
        head=Branch("topic"),
        head_sha=sha("a"),
        head_repository=FORK,
        updated_at=updated_at,
    )
    return attrs.evolve(told, **changes)  # type: ignore[arg-type]


def wish(head: str = "a", number: int | None = 1, **changes: object) -> ReviewWish:
    """Ask for a review of a pull request, or of a branch where there is no number."""
    wanted = ReviewWish(
        repository=HERE,
        occasion=Occasion.BRANCH if number is None else Occasion.PULL_REQUEST,
        number=number,
        base=Branch("main"),
        base_sha=None,
        head_sha=sha(head),
        ref="refs/heads/main" if number is None else f"refs/pull/{number}/head",
        trusted=True,
        author="someone",
    )
    return attrs.evolve(wanted, **changes)  # type: ignore[arg-type]


def check(context: str = "EkaCI: Verdict", text: str = "", *, done: bool = False, **changes: object) -> Check:
    """Want a check at a commit."""
    wanted = Check(
        repository=HERE,
        sha=sha("a"),
        context=context,
        status=CheckStatus.COMPLETED if done else CheckStatus.IN_PROGRESS,
        conclusion=Conclusion.SUCCESS if done else None,
        text=text,
    )
    return attrs.evolve(wanted, **changes)  # type: ignore[arg-type]


LIVE = tuple(state for state in ReviewState if state.is_live)
"""All states in which somebody still wants the result."""

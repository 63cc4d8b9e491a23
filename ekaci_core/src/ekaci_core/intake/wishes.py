"""What is to be reviewed, said from what a forge told."""

from __future__ import annotations

import re
from typing import Final

from ekaci_core.intake.command import AskReview
from ekaci_core.intake.facts import Facts
from ekaci_core.intake.policy import IntakePolicy
from ekaci_core.model.forge import Branch, PullRequest
from ekaci_core.model.forge_event import BranchPushed, MergeGroupChanged
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish

# https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
# https://docs.gitlab.com/ci/pipelines/merge_trains/
_QUEUE_ENTRY: Final = re.compile(
    r"gh-readonly-queue/.+/pr-([0-9]{1,12})-[0-9a-f]{40,64}|merge-requests/([0-9]{1,12})/train"
)


def ask_for_pull_request(pull: PullRequest, facts: Facts, policy: IntakePolicy, *, again: bool = False) -> AskReview:
    """Ask for a review of a pull request, which waits where somebody has to approve it first."""
    wish = ReviewWish(
        repository=pull.repository,
        occasion=Occasion.PULL_REQUEST,
        number=pull.number,
        base=pull.base,
        base_sha=None,
        head_sha=pull.head_sha,
        ref=facts.ref,
        trusted=facts.standing.may_write,
        author=pull.author.login,
    )
    waits = policy.require_approval and not facts.standing.may_run
    return AskReview(wish, ReviewState.WAITING if waits else ReviewState.QUEUED, again)


def merge_group_wish(event: MergeGroupChanged) -> ReviewWish:
    """Wish for a review of a merge group. Only who may write can put something into a queue, so it is trusted."""
    return ReviewWish(
        repository=event.repository,
        occasion=Occasion.MERGE_GROUP,
        number=None,
        base=event.base,
        base_sha=event.base_sha,
        head_sha=event.head_sha,
        ref=event.ref or f"refs/heads/{event.head}",
        trusted=True,
        author=event.author,
    )


def branch_wish(event: BranchPushed, head_sha: CommitSha) -> ReviewWish:
    """Wish for a review of what was pushed to a branch."""
    return ReviewWish(
        repository=event.repository,
        occasion=Occasion.BRANCH,
        number=None,
        base=event.branch,
        base_sha=event.before,
        head_sha=head_sha,
        ref=f"refs/heads/{event.branch}",
        trusted=True,
        author=event.actor.login if event.actor else "",
    )


def queued_pull_request(head: Branch) -> int | None:
    """Return the number of the pull request that a merge group's branch is named after, None where it is not."""
    found = _QUEUE_ENTRY.fullmatch(head)
    return int(found[1] or found[2]) if found else None

"""What one event asks of the server: data in, data out."""

from __future__ import annotations

from typing import Final

from ekaci_core.intake.command import (
    ApproveCommit,
    AskReview,
    CloseReviews,
    Command,
    Ignore,
    NotePullRequest,
    RunAgain,
)
from ekaci_core.intake.commented import decide_comment
from ekaci_core.intake.facts import Facts
from ekaci_core.intake.policy import IntakePolicy
from ekaci_core.intake.repositories import decide_installation, decide_repository
from ekaci_core.intake.wishes import ask_for_pull_request, branch_wish, merge_group_wish
from ekaci_core.model.button import Button
from ekaci_core.model.forge import PullRequestState
from ekaci_core.model.forge_event import (
    BranchPushed,
    CheckActionRequested,
    CommentCreated,
    ForgeEvent,
    InstallationChanged,
    MergeGroupAction,
    MergeGroupChanged,
    MergeGroupTouched,
    Ping,
    PullRequestAction,
    PullRequestChanged,
    PullRequestReviewed,
    PullRequestTouched,
    RepositoryChanged,
    RerunRequested,
    WorkflowRequested,
)
from ekaci_core.model.review import Occasion, ReviewState

_ASKS: Final = frozenset(
    {
        PullRequestAction.OPENED,
        PullRequestAction.SYNCHRONIZED,
        PullRequestAction.REOPENED,
        PullRequestAction.READY,
        PullRequestAction.RETARGETED,
        PullRequestAction.ENQUEUED,
    }
)
"""A review that is there already is asked for in vain: asking too often only makes up for news that was lost."""


def decide(  # noqa: C901, PLR0911, PLR0912 - one case for each kind of event
    event: ForgeEvent, facts: Facts, policy: IntakePolicy
) -> tuple[Command, ...]:
    """Say what an event asks of the server.

    Args:
        event: what the forge told.
        facts: what was looked up for it.
        policy: what the operator decided.

    Returns:
        Commands, to be carried out in this order; carrying them out again does no harm.
    """
    match event:
        case InstallationChanged():
            return decide_installation(event, facts)
        case RepositoryChanged():
            return decide_repository(event, facts)
        case PullRequestChanged():
            return _pull_request(event, facts, policy)
        case PullRequestTouched():
            return _touched(event, facts, policy)
        case Ping():
            return (Ignore("the forge asks whether we are there"),)
        case PullRequestReviewed():
            return (Ignore("what people say of a change decides nothing here"),)
        case _ if not facts.served:
            return (Ignore("the forge is not configured for this repository or branch"),)
        case MergeGroupChanged():
            return _merge_group(event, facts, policy)
        case MergeGroupTouched():
            if facts.group is None:
                return (Ignore("it is of no merge queue"),)
            return _merge_group(facts.group, facts, policy)
        case BranchPushed():
            return _push(event, policy)
        case RerunRequested():
            return _rerun(event, facts, policy)
        case CheckActionRequested():
            return _button(event, facts)
        case CommentCreated():
            return decide_comment(event, facts, policy)
        case WorkflowRequested():
            return _workflow(event, facts, policy)


def _pull_request(event: PullRequestChanged, facts: Facts, policy: IntakePolicy) -> tuple[Command, ...]:
    pull = event.pull_request
    note = NotePullRequest(pull)
    if pull.state is not PullRequestState.OPEN or event.action is PullRequestAction.CLOSED:
        how = "merged" if pull.state is PullRequestState.MERGED else "closed"
        return note, CloseReviews(pull.repository, f"the pull request was {how}", number=pull.number)
    if not facts.served:
        if event.action is PullRequestAction.RETARGETED:
            reason = f"it is to go into {pull.base} now, which the forge is not configured for"
            return note, CloseReviews(pull.repository, reason, number=pull.number)
        return (Ignore(f"the forge is not configured for {pull.repository.path}, branch {pull.base}"),)
    if event.action is PullRequestAction.DRAFTED:
        # What its author goes on with needs no answer now. A push asks for one even so: drafts are there to be tried.
        return note, CloseReviews(pull.repository, "it became a draft", number=pull.number)
    if event.action in _ASKS:
        return note, ask_for_pull_request(pull, facts, policy, again=event.action is PullRequestAction.RETARGETED)
    return (note,)


def _touched(event: PullRequestTouched, facts: Facts, policy: IntakePolicy) -> tuple[Command, ...]:
    if facts.current is None:
        return (Ignore("the forge has no such pull request, or does not show it"),)
    return _pull_request(PullRequestChanged(event.action, facts.current, event.actor), facts, policy)


def _merge_group(event: MergeGroupChanged, facts: Facts, policy: IntakePolicy) -> tuple[Command, ...]:
    if event.action is MergeGroupAction.DESTROYED:
        return (
            CloseReviews(
                event.repository, "the merge group is gone", occasion=Occasion.MERGE_GROUP, sha=event.head_sha
            ),
        )
    # A group is built on the one before it, and with it come its changes.
    may_run = facts.approved_group or (facts.standing.may_run and not facts.waiting_base)
    waits = policy.merge_queue_require_approval and not may_run
    return (AskReview(merge_group_wish(event), ReviewState.WAITING if waits else ReviewState.QUEUED),)


def _push(event: BranchPushed, policy: IntakePolicy) -> tuple[Command, ...]:
    if not (event.is_default or policy.is_release(event.branch)):
        return (Ignore(f"{event.branch} is neither the default branch nor one that releases are made from"),)
    if event.after is None:
        reason = f"{event.branch} was deleted"
        return (CloseReviews(event.repository, reason, occasion=Occasion.BRANCH, base=event.branch),)
    return (AskReview(branch_wish(event, event.after), ReviewState.QUEUED),)


def _rerun(event: RerunRequested, facts: Facts, policy: IntakePolicy) -> tuple[Command, ...]:
    if not facts.reviewed and facts.known is not None:
        return (ask_for_pull_request(facts.known, facts, policy),)
    return (RunAgain(event.repository, event.sha, event.actor.login),)


def _button(event: CheckActionRequested, facts: Facts) -> tuple[Command, ...]:
    match event.identifier:
        case Button.APPROVE if facts.actor_may_write:
            return (ApproveCommit(event.repository, event.sha, event.actor.login),)
        case Button.APPROVE:
            return (Ignore(f"{event.actor.login} may not write to {event.repository.path}, so not approve either"),)
        case Button.RUN_AGAIN:
            return (RunAgain(event.repository, event.sha, event.actor.login),)
        case _:
            return (Ignore("no check of ours has this button"),)


def _workflow(event: WorkflowRequested, facts: Facts, policy: IntakePolicy) -> tuple[Command, ...]:
    if not policy.something_waits:
        return (Ignore("nothing has to be approved here"),)
    if not facts.actor_may_write:
        return (Ignore(f"{event.actor.login} may not write to {event.repository.path}"),)
    return (ApproveCommit(event.repository, event.sha, event.actor.login),)

"""What a comment asks of the server."""

from __future__ import annotations

from ekaci_core.intake.command import ApproveCommit, Command, Ignore, NotePullRequest, React, RunAgain
from ekaci_core.intake.comment_command import Approve, parse_comment
from ekaci_core.intake.facts import Facts
from ekaci_core.intake.policy import IntakePolicy
from ekaci_core.intake.wishes import ask_for_pull_request
from ekaci_core.model.check import COMMENT_MARK
from ekaci_core.model.forge import PullRequest, PullRequestState
from ekaci_core.model.forge_event import CommentCreated


def decide_comment(event: CommentCreated, facts: Facts, policy: IntakePolicy) -> tuple[Command, ...]:
    """Say what a comment asks of the server."""
    # Ours have texts of others in them, and may be of an account that may approve.
    by_nobody = event.by_bot or COMMENT_MARK in event.body
    command = None if by_nobody else parse_comment(event.body)
    if command is None:
        return (Ignore("written by a bot" if by_nobody else "no command in it"),)
    if not facts.at_pace:
        return (Ignore(f"{event.author.login} gave a command here a moment ago"),)
    pull = facts.current
    if pull is None or pull.state is not PullRequestState.OPEN:
        return (Ignore("no open pull request has this number"),)
    if isinstance(command, Approve):
        return _approve(command, event, pull, facts, policy)
    if facts.actor_may_write or event.author.id == pull.author.id:
        return RunAgain(event.repository, pull.head_sha, event.author.login), _accepted(event)
    return _refused(event, f"{event.author.login} neither may write here nor opened the pull request")


def _approve(
    command: Approve, event: CommentCreated, pull: PullRequest, facts: Facts, policy: IntakePolicy
) -> tuple[Command, ...]:
    if not facts.actor_may_write:
        return _refused(event, f"{event.author.login} may not write to {event.repository.path}, so not approve either")
    if command.sha:
        if not pull.head_sha.startswith(command.sha):
            return _refused(event, "the commit that it names is not the newest one")
    elif facts.known is None:
        # Nobody can say when its head came. What waits is shown now, and can be approved then.
        asked = ask_for_pull_request(pull, facts, policy)
        return NotePullRequest(pull), asked, *_refused(event, "the pull request was not known before")
    elif facts.known.head_sha != pull.head_sha or facts.known.updated_at > event.created_at:
        # What its writer has looked at may have been the commit before: that would approve what nobody has seen.
        return _refused(event, "the pull request changed after it was written")
    return ApproveCommit(event.repository, pull.head_sha, event.author.login), _accepted(event)


def _accepted(event: CommentCreated) -> React:
    return React(event.repository, event.comment, accepted=True)


def _refused(event: CommentCreated, reason: str) -> tuple[Command, ...]:
    return React(event.repository, event.comment, accepted=False), Ignore(reason)

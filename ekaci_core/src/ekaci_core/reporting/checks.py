"""The checks that a review wants to stand at a commit, by how far it is. Pure: nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from ekaci_core.model.button import Button
from ekaci_core.model.check import Check, CheckButton, CheckStatus, Conclusion
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.verdict import Decision
from ekaci_core.reporting.clean import clean
from ekaci_core.reporting.markdown_escape import escape

VERDICT: Final = "EkaCI: Verdict"
CONFIGURE: Final = "EkaCI: Configure"
SUMMARY: Final = "EkaCI: Change Summary"

_CONCLUSIONS: Final = {
    Decision.MERGE: Conclusion.SUCCESS,
    Decision.DO_NOT_MERGE: Conclusion.FAILURE,
    # A required check would pass on neutral or skipped.
    Decision.WAIT: Conclusion.ACTION_REQUIRED,
}
_NO_MORE: Final = "Does not fail any more"
_APPROVE_BUTTON: Final = CheckButton("Approve", "Let this commit be reviewed", Button.APPROVE.value)
_RERUN_BUTTON: Final = CheckButton("Re-run", "Evaluate and build once more", Button.RUN_AGAIN.value)


def evaluate_context(job: str) -> str:
    """Name the check of a job's evaluation."""
    return f"EkaCI: Evaluate Job ({job})"


def approval_context(login: str) -> str:
    """Name the check that says that somebody must approve."""
    return f"EkaCI: Approval Required (User: @{login})"


def conclusion_of(decision: Decision) -> Conclusion:
    """Say how the verdict's check comes out."""
    return _CONCLUSIONS[decision]


@attrs.frozen
class Subject:
    """What checks are of.

    ``key`` names the review and its round, and so each check of it; ``url`` is the review's page, where there is one;
    ``now`` is the time, in seconds since the epoch.
    """

    repository: RepositoryId
    sha: CommitSha
    key: str
    began_at: float
    now: float
    url: str | None = None

    def running(self, context: str, title: str, summary: str, *, queued: bool = False) -> Check:
        """Make a check that is not completed."""
        return Check(
            repository=self.repository,
            sha=self.sha,
            context=context,
            status=CheckStatus.QUEUED if queued else CheckStatus.IN_PROGRESS,
            title=title,
            summary=summary,
            details_url=self.url,
            external_id=f"{self.key}/{context}",
            started_at=self.began_at,
        )

    def completed(self, context: str, conclusion: Conclusion, title: str, summary: str) -> Check:
        """Make a check that is completed."""
        return attrs.evolve(
            self.running(context, title, summary),
            status=CheckStatus.COMPLETED,
            conclusion=conclusion,
            completed_at=self.now,
        )


def queued(subject: Subject) -> tuple[Check, ...]:
    """The first check of all: made before anything is fetched, so that a required one is never missing."""
    return (subject.running(VERDICT, "Waiting to begin", "The review has not begun yet.", queued=True),)


def waiting_for_approval(subject: Subject, login: str, *, has_buttons: bool = True) -> tuple[Check, ...]:
    """Say that somebody who may write must let the review begin."""
    who = escape(f"@{login}")
    with_button = "with the button here, " if has_buttons else ""
    text = (
        f"{who} may not write to this repository, so nothing of this commit is evaluated or built before somebody "
        f"who may approves it: {with_button}with the comment `/ekaci approve`, or with `ekaci approve`. "
        "An approval is for this commit alone."
    )
    approval = subject.completed(approval_context(login), Conclusion.ACTION_REQUIRED, "Approval required", text)
    verdict = subject.completed(VERDICT, Conclusion.ACTION_REQUIRED, "Waiting for an approval", text)
    return attrs.evolve(approval, buttons=(_APPROVE_BUTTON,)), attrs.evolve(verdict, buttons=(_APPROVE_BUTTON,))


def approved(subject: Subject, login: str, by: str | None) -> tuple[Check, ...]:
    """Say that it was approved: for this commit by somebody, or its author for good by an operator."""
    whose = f"Changes of {escape(f'@{login}')} are approved."
    text = f"Approved by {escape(f'@{by}')} for this commit." if by else whose
    return (subject.completed(approval_context(login), Conclusion.SUCCESS, "Approved", text), *queued(subject))


def progress(subject: Subject, title: str, sentences: Iterable[str]) -> tuple[Check, ...]:
    """Say how far the review is."""
    return (subject.running(VERDICT, title, "\n\n".join(map(escape, sentences))),)


def configured(subject: Subject, origin: str, jobs: Sequence[str], warnings: Sequence[str]) -> tuple[Check, ...]:
    """Say what the configuration file asks for."""
    lines = [f"Jobs of {escape(origin)}:", "", *(f"- {escape(job)}" for job in jobs)]
    if warnings:
        lines += ["", "Warnings:", "", *(f"- {escape(each)}" for each in warnings)]
    return (subject.completed(CONFIGURE, Conclusion.SUCCESS, _count(len(jobs), "job"), "\n".join(lines)),)


def misconfigured(subject: Subject, what: str, do: str | None) -> tuple[Check, ...]:
    """Say that the configuration file of the change cannot be used."""
    text = "\n\n".join(escape(each) for each in (what, do) if each)
    title = "The configuration cannot be used"
    return (
        subject.completed(CONFIGURE, Conclusion.FAILURE, title, text),
        subject.completed(VERDICT, Conclusion.FAILURE, f"Do not merge: {title[:1].lower()}{title[1:]}", text),
    )


def incomparable(subject: Subject, what: str) -> tuple[Check, ...]:
    """Say that head and base cannot be compared, whatever they hold."""
    check = subject.completed(
        VERDICT, Conclusion.FAILURE, "Do not merge: it cannot be compared with base", escape(what)
    )
    return (with_rerun(check),)


def conflicting(subject: Subject, base: str, what: str, do: str | None) -> tuple[Check, ...]:
    """Say that there is nothing to review before conflicts are solved."""
    text = "\n\n".join(escape(each) for each in (what, do) if each)
    check = subject.completed(VERDICT, Conclusion.ACTION_REQUIRED, f"Wait: it conflicts with {clean(base)}", text)
    return (with_rerun(check),)


def at_fault(subject: Subject, sentences: Iterable[str], *, again: bool) -> tuple[Check, ...]:
    """Say that the machine, and not the change, keeps the review from ending; never in a way that lets it be merged."""
    end = "It is tried again by itself." if again else "Somebody must look at the server."
    text = "\n\n".join([*map(escape, sentences), f"This says nothing about the change. {end}"])
    if again:
        return (subject.running(VERDICT, "The server has a problem", text),)
    check = subject.completed(VERDICT, Conclusion.ACTION_REQUIRED, "The server has a problem", text)
    return (attrs.evolve(check, buttons=(_RERUN_BUTTON,)),)


def ended(subject: Subject, checks: Iterable[Check], why: str) -> tuple[Check, ...]:
    """Close what still runs of a review that nobody waits for any more."""
    return tuple(
        attrs.evolve(
            check,
            status=CheckStatus.COMPLETED,
            conclusion=Conclusion.CANCELLED,
            title=why,
            summary=escape(why),
            text="",
            buttons=(),
            completed_at=subject.now,
        )
        for check in checks
        if check.comment_on is None
        and (check.status is not CheckStatus.COMPLETED or check.conclusion is Conclusion.ACTION_REQUIRED)
    )


def outdated(subject: Subject, standing: Iterable[Check], wanted: Iterable[Check]) -> tuple[Check, ...]:
    """Take back what an earlier round, or a review against another base, said to fail and this one does not name."""
    named = {check.context for check in wanted}
    return tuple(
        attrs.evolve(
            subject.completed(check.context, Conclusion.NEUTRAL, _NO_MORE, f"{_NO_MORE} in the latest review."),
            external_id=check.external_id,
        )
        for check in standing
        if check.context not in named
        and check.conclusion in (Conclusion.FAILURE, Conclusion.TIMED_OUT)
        and not check.external_id.startswith(f"{subject.key}/")
    )


def settled(check: Check, before: Check | None) -> Check:
    """Return the earlier check where the new one says the same and differs in its time alone."""
    if before is not None and attrs.evolve(check, completed_at=before.completed_at) == before:
        return before
    return check


def with_rerun(check: Check) -> Check:
    """Put the button on it that asks for the review anew."""
    return attrs.evolve(check, buttons=(_RERUN_BUTTON,))


def with_approval(check: Check) -> Check:
    """Put the button on it by which somebody who may write approves the commit."""
    return attrs.evolve(check, buttons=(*check.buttons, _APPROVE_BUTTON))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"

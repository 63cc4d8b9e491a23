"""Carries commands out: each changes the store, and doing it twice is as good as doing it once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from ekaci_core.api import Clock, Forge, InfrastructureFault, Logger
from ekaci_core.intake.command import (
    ApproveCommit,
    ApproveUser,
    AskReview,
    CloseReviews,
    Command,
    Ignore,
    NoteInstalled,
    NotePullRequest,
    NoteUninstalled,
    React,
    RenameRepository,
    RunAgain,
)
from ekaci_core.intake.needs import IntakeStore
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.model.verdict import Decision
from ekaci_core.process.plain import one_line
from ekaci_core.store.review import ReviewId, ReviewRecord

LIVE: Final = frozenset(state for state in ReviewState if state.is_live)

_SHOWN: Final = 10
"""Characters of a commit that are shown."""


class StaleNews(Exception):
    """What was told is older than what is known."""


class Commands:
    """Carries commands out. Interfaces for people use it too: to approve a commit, to run a review again."""

    def __init__(self, store: IntakeStore, clock: Clock, log: Logger, reviews_changed: Callable[[], None]) -> None:
        """Prepare.

        Args:
            store: where everything is.
            clock: for the times that are stored.
            log: hears of signs that could not be given.
            reviews_changed: called after reviews were asked for, approved or closed.
        """
        self._store = store
        self._clock = clock
        self._log = log
        self._reviews_changed = reviews_changed

    async def carry_out(self, commands: Sequence[Command], forge: Forge | None = None) -> tuple[str, ...]:
        """Carry commands out in order; returns what was done, a phrase each. ``forge`` is needed for signs only.

        Raises:
            InfrastructureFault: the store failed; all can be carried out again.
        """
        done: list[str] = []
        for command in commands:
            try:
                phrase = await self._one(command, forge)
            except StaleNews:
                return (*done, "newer news is known")
            if phrase:
                done.append(phrase)
        return tuple(done)

    async def _one(self, command: Command, forge: Forge | None) -> str:  # noqa: C901, PLR0911 - one case for each command
        now = self._clock.now()
        match command:
            case NotePullRequest(pull):
                if not await self._store.note_pull_request(pull, now=now):
                    raise StaleNews
                return f"pull request {pull.number} noted"
            case AskReview():
                return await self._ask(command)
            case CloseReviews():
                return await self._close(command)
            case ApproveCommit():
                return await self._approve(command)
            case ApproveUser():
                return await self._approve_user(command)
            case RunAgain():
                return await self._run_again(command)
            case React():
                return await self._react(command, forge)
            case RenameRepository(before, after):
                await self._store.rename_repository(before, after)
                return f"{before.path} is {after.path} now"
            case NoteInstalled(host, instance, repositories):
                await self._store.note_installed(host, instance, repositories, now=now)
                return f"given {_counted(repositories)}"
            case NoteUninstalled(host, instance, repositories):
                await self._store.note_uninstalled(host, instance, repositories)
                return f"not given {_counted(repositories)} any more"
            case Ignore(reason):
                return reason

    async def _ask(self, command: AskReview) -> str:
        wish, now = command.wish, self._clock.now()
        review = await self._store.ask_review(wish, command.state, now=now)
        if command.state is not ReviewState.WAITING:
            await self._store.approve_review(review, now=now)
        elif await self._store.commit_approval(wish.repository, wish.head_sha):
            # It was approved after the facts were gathered.
            await self._store.approve_review(review, now=now)
        if command.again:
            await self._store.ask_review_again(review, now=now)
        if wish.occasion is Occasion.BRANCH:
            await self._overtake(review, wish)
        self._reviews_changed()
        record = await self._store.review(review)
        state = record.state.value if record else "gone"
        return f"review {review} of {wish.head_sha[:_SHOWN]} is {state}"

    async def _overtake(self, review: ReviewId, wish: ReviewWish) -> None:
        """Give up earlier pushes of a branch that are not begun.

        What is begun goes on: where pushes come faster than reviews end, none would ever end.
        """
        branch = CloseReviews(wish.repository, "", occasion=Occasion.BRANCH, base=wish.base)
        for record in await self._live(branch):
            if record.id < review:
                await self._store.change_review(
                    record.id,
                    ReviewState.SUPERSEDED,
                    expected=(ReviewState.WAITING, ReviewState.QUEUED),
                    now=self._clock.now(),
                )

    async def _close(self, command: CloseReviews) -> str:
        closed = 0
        for record in await self._live(command):
            closed += await self._store.change_review(
                record.id, ReviewState.CLOSED, expected=LIVE, detail=command.reason, now=self._clock.now()
            )
        # Even if none was: what is done counts no more at a commit that is reviewed for others too.
        self._reviews_changed()
        return f"{command.reason}: {closed} reviews closed"

    async def _live(self, command: CloseReviews) -> Collection[ReviewRecord]:
        wanted = (command.occasion, command.number, command.sha, command.base)
        return [
            record
            for record in await self._store.live_reviews()
            if record.wish.repository == command.repository
            and all(want is None or want == has for want, has in zip(wanted, _names_of(record), strict=True))
        ]

    async def _approve(self, command: ApproveCommit) -> str:
        now = self._clock.now()
        await self._store.approve_commit(command.repository, command.sha, by=command.by, now=now)
        found = await self._store.reviews_of(command.repository, sha=command.sha)
        waiting = [
            record
            for record in found
            if record.state is ReviewState.WAITING and await self._store.approve_review(record.id, now=now)
        ]
        waiting += await self._allowed_more(command, found)
        if waiting:
            self._reviews_changed()
        return f"{command.sha[:_SHOWN]} approved by {command.by}: {len(waiting)} reviews queued"

    async def _allowed_more(self, command: ApproveCommit, found: Sequence[ReviewRecord]) -> list[ReviewRecord]:
        """Queue again what was reviewed before the approval: some of it may have been refused."""
        approval = await self._store.commit_approval(command.repository, command.sha)
        return [
            record
            for record in found
            if approval is not None
            and record.state is ReviewState.DONE
            and not record.wish.trusted
            and record.decision != Decision.MERGE.value
            and record.asked_at <= approval.at
            and await self._store.ask_review_again(record.id, now=self._clock.now())
        ]

    async def _approve_user(self, command: ApproveUser) -> str:
        now = self._clock.now()
        await self._store.approve_user(command.forge, command.person, notes=command.notes, now=now)
        queued = 0
        for record in await self._store.live_reviews():
            wish = record.wish
            if record.state is not ReviewState.WAITING or wish.number is None or wish.repository.forge != command.forge:
                continue
            pull = await self._store.known_pull_request(wish.repository, wish.number)
            if pull and pull.author.id == command.person.id and pull.head_sha == wish.head_sha:
                queued += await self._store.approve_review(record.id, now=now)
        if queued:
            self._reviews_changed()
        return f"{command.person.login} approved: {queued} reviews queued"

    async def _run_again(self, command: RunAgain) -> str:
        found = await self._store.reviews_of(command.repository, sha=command.sha)
        records = [each for each in found if each.wish.occasion is not Occasion.COMMIT]  # those are the operators' own
        again = 0
        for record in records:
            again += await self._store.ask_review_again(record.id, now=self._clock.now())
        if again:
            self._reviews_changed()
            return f"{command.by} asked again: {again} reviews queued"
        return f"nothing to do again at {command.sha[:_SHOWN]}: {_states(records)}"

    async def _react(self, command: React, forge: Forge | None) -> str:
        sign = "accepted" if command.accepted else "refused"
        if forge is None:
            return sign
        try:
            await forge.react(command.repository, command.comment, accepted=command.accepted)
        except InfrastructureFault as fault:
            # The sign is a courtesy; what it tells of is done already.
            self._log.warning("comment_not_answered", comment=command.comment, reason=one_line(str(fault)))
        return sign


def _names_of(record: ReviewRecord) -> tuple[object, ...]:
    wish = record.wish
    return wish.occasion, wish.number, wish.head_sha, wish.base


def _counted(repositories: Collection[object]) -> str:
    return f"{len(repositories)} repositories" if len(repositories) != 1 else "1 repository"


def _states(records: Sequence[ReviewRecord]) -> str:
    return ", ".join(sorted({record.state.value for record in records})) or "no review"

"""Sends what is wanted at forges, as much as they bear: verdicts before progress, each in its newest version only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import anyio
import attrs

from ekaci_core.api import (
    Check,
    Clock,
    Forge,
    InfrastructureFault,
    Logger,
    Published,
    PublishFailed,
    RepositoryId,
    WriteBudget,
)
from ekaci_core.bus import Wakeup
from ekaci_core.model.check import COMMENT_MARK
from ekaci_core.reporting.write_budget import COUNTED_SECONDS, Allowance
from ekaci_core.store.forge_facts import ForgeFacts
from ekaci_core.store.outbox import Outbox, Post

ForgeOf = Callable[[RepositoryId], Forge | None]
"""Finds who reports on a repository; None where nobody is configured for it."""

PROGRESS_WRITES: Final = 10
"""Writes of one check before it ends. What is wanted after that waits for its end."""
FIRST_PAUSE_SECONDS: Final = 15.0
"""Between the first two writes of a check that has not ended; each further pause is twice as long."""

LOOK_SECONDS: Final = 60.0
"""How often the store is looked at without anybody having said that there is something."""

_AT_ONCE: Final = 200
_LONGEST_PAUSE_SECONDS: Final = 900.0
_FAULT_SECONDS: Final = 60.0
_UNSERVED: Final = "no configured forge serves this repository"
_OUTDATED: Final = "the comment is for a newer commit now"


class PublisherStore(Outbox, ForgeFacts, Protocol):
    """What is wanted at forges, and what they told."""


def due_at(post: Post) -> float | None:
    """When a post may be sent, in seconds since the epoch; None where it waits for its end."""
    if post.final or not post.writes or post.sent_at is None:
        return post.not_before
    if post.writes >= PROGRESS_WRITES:
        return None
    pause = min(FIRST_PAUSE_SECONDS * 2 ** (post.writes - 1), _LONGEST_PAUSE_SECONDS)
    return max(post.not_before, post.sent_at + float(pause))


@attrs.define(eq=False)
class Publisher:
    """The loop. All facts are in the store: a crash repeats at most a write that says what stands there already."""

    _store: PublisherStore
    _forge_of: ForgeOf
    _clock: Clock
    _log: Logger
    _wanted: Wakeup
    _allowances: dict[str, Allowance] = attrs.field(factory=dict, init=False)

    async def run(self) -> None:
        """Send, for ever.

        Raises:
            InfrastructureFault: the store failed.
        """
        while True:
            pause = await self.send_due()
            await self._wanted.wait(LOOK_SECONDS if pause is None else min(pause, LOOK_SECONDS))

    async def flush(self, seconds: float) -> None:
        """Send what may be sent now, for so long at most: before the server ends."""
        with anyio.move_on_after(seconds):
            await self.send_due()

    async def send_due(self) -> float | None:
        """Send all that may be sent now; return the seconds until there may be more, None where nothing waits."""
        now = self._clock.now()
        waits: list[float] = []
        by_key: dict[str, list[tuple[Post, Forge]]] = {}
        for post in await self._store.posts_due(now=now, limit=_AT_ONCE):
            at = due_at(post)
            if at is None:
                continue
            if at > now:
                waits.append(at - now)
                continue
            found = await self._account(post)
            if found is not None:
                forge, budget = found
                await self._know(budget)
                by_key.setdefault(budget.key, []).append((post, forge))
        async with anyio.create_task_group() as tasks:
            for key, posts in by_key.items():
                tasks.start_soon(self._send_all, key, posts, waits, name=f"publish for {key}")
        later = await self._store.next_post_at(now=now)
        if later is not None:
            waits.append(max(0.0, later - self._clock.now()))
        return min(waits) if waits else None

    async def _know(self, budget: WriteBudget) -> None:
        """Count what was written with an account before this process began."""
        if budget.key in self._allowances:
            return
        use = await self._store.account_use(budget.key, since=self._clock.now() - COUNTED_SECONDS)
        now = self._clock.monotonic()
        self._allowances[budget.key] = Allowance.of(budget, use, now=now, ahead=self._clock.now() - now)

    async def _account(self, post: Post) -> tuple[Forge, WriteBudget] | None:
        forge = self._forge_of(post.check.repository)
        if forge is None:
            await self._store.post_failed(post.id, fault=_UNSERVED, not_before=None, forget=False, version=post.version)
            return None
        try:
            return forge, forge.write_budget(post.check.repository)
        except InfrastructureFault as fault:
            again = self._clock.now() + _FAULT_SECONDS
            await self._store.post_failed(post.id, fault=str(fault), not_before=again, forget=False)
            return None

    async def _send_all(self, key: str, posts: Sequence[tuple[Post, Forge]], waits: list[float]) -> None:
        allowance = self._allowances[key]
        for post, forge in posts:
            if not allowance.take(self._clock.monotonic()):
                waits.append(allowance.wait(self._clock.monotonic()))
                return
            await self._store.note_write(key, now=self._clock.now(), keep_seconds=COUNTED_SECONDS)
            await self._send(key, post, forge)

    async def _send(self, key: str, post: Post, forge: Forge) -> None:
        number = post.check.comment_on
        if number is None:
            outcome = await forge.publish(post.check, post.remote)
        elif await self._is_outdated(post.check, number):
            # What was wanted for an older commit must not stand over what is said of the newest.
            await self._store.post_failed(post.id, fault=_OUTDATED, not_before=None, forget=False, version=post.version)
            return
        else:
            outcome = await self._commented(post, forge, number)
        now = self._clock.now()
        if isinstance(outcome, Published):
            await self._store.post_sent(post.id, version=post.version, remote=outcome.remote, now=now)
            return
        await self._failed(key, post, outcome)

    async def _is_outdated(self, check: Check, number: int) -> bool:
        known = await self._store.known_pull_request(check.repository, number)
        return known is not None and known.head_sha != check.sha

    async def _commented(self, post: Post, forge: Forge, number: int) -> Published | PublishFailed:
        """Change our comment: that of an earlier commit too, or one of which a database that is lost knew the name."""
        where = post.check.repository
        try:
            remote = post.remote or await forge.find_comment(where, number, COMMENT_MARK)
        except InfrastructureFault as fault:
            return PublishFailed(str(fault), _FAULT_SECONDS)
        return await forge.comment(where, number, post.check.text, remote)

    async def _failed(self, key: str, post: Post, outcome: PublishFailed) -> None:
        check = post.check
        self._log.warning(
            "check_not_published",
            repository=str(check.repository),
            sha=check.sha,
            context=check.context,
            reason=outcome.reason,
        )
        again = None
        if outcome.retry_after_seconds is not None:
            again = self._clock.now() + outcome.retry_after_seconds
            if outcome.limited:
                self._allowances[key].shut(outcome.retry_after_seconds, self._clock.monotonic())
                await self._store.pause_account(key, until=again)
        await self._store.post_failed(
            post.id, fault=outcome.reason, not_before=again, forget=outcome.forget, version=post.version
        )

"""What is wanted gets to the forge, in the forge's measure."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence

import anyio
import attrs
import pytest

from ekaci_core.api import (
    Branch,
    Check,
    CheckStatus,
    CommitSha,
    Conclusion,
    InfrastructureFault,
    Person,
    Published,
    PublishFailed,
    PullRequest,
    PullRequestState,
    RepositoryId,
    WriteBudget,
)
from ekaci_core.bus import Wakeup
from ekaci_core.model.check import COMMENT_MARK
from ekaci_core.reporting.publishing import FIRST_PAUSE_SECONDS, PROGRESS_WRITES, Publisher
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builders import SilentLogger
from ekaci_core.testing.scripted_forge import HOST, ScriptedForge

pytestmark = pytest.mark.anyio

REPOSITORY = RepositoryId.parse(HOST, "owner/packages")
SHA = CommitSha.parse("b" * 40)
OTHER = CommitSha.parse("c" * 40)


@attrs.define
class Hands:
    """A clock that is set."""

    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Measured(ScriptedForge):
    """Bears so many writes, and answers as it is told."""

    def __init__(self, per_minute: float = 70, answers: Sequence[Published | PublishFailed] = ()) -> None:
        super().__init__()
        self.per_minute = per_minute
        self.answers = list(answers)

    def write_budget(self, repository: RepositoryId) -> WriteBudget:
        return WriteBudget(repository.owner, self.per_minute, 450)

    async def publish(self, check: Check, remote: str | None) -> Published | PublishFailed:
        if self.answers:
            self.asked.append("publish")
            return self.answers.pop(0)
        return await super().publish(check, remote)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as store:
        yield store


def check(context: str = "EkaCI: Verdict", *, done: bool = False, title: str = "", sha: CommitSha = SHA) -> Check:
    status = CheckStatus.COMPLETED if done else CheckStatus.IN_PROGRESS
    return Check(REPOSITORY, sha, context, status, Conclusion.SUCCESS if done else None, title)


def publisher(store: Store, forge: ScriptedForge | None, clock: Hands) -> Publisher:
    return Publisher(store, lambda _: forge, clock, SilentLogger(), Wakeup())


async def test_verdicts_go_before_progress_and_each_once(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([check("a"), check("b")], now=clock.now())
    assert await loop.send_due() is None
    clock.at += 1000
    await store.want_checks([check("a", title="more")], now=clock.now())
    await store.want_checks([check("c", done=True)], now=clock.now())
    await store.want_checks([check("b", done=True)], now=clock.now())
    assert await loop.send_due() is None
    assert [each.context for each in forge.published] == ["a", "b", "b", "c", "a"]
    await loop.send_due()
    assert len(forge.published) == 5


async def test_only_the_newest_version_is_sent_and_the_check_is_changed_not_made_again(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([check(title="one")], now=clock.now())
    await loop.send_due()
    for title in ("two", "three"):
        await store.want_checks([check(title=title)], now=clock.now())
    await store.want_checks([check(title="end", done=True)], now=clock.now())
    await loop.send_due()
    assert [each.title for each in forge.published] == ["one", "end"]
    (post,) = await store.posts_at(REPOSITORY, SHA)
    assert post.remote == f"{SHA}/EkaCI: Verdict"
    assert post.writes == 2


async def test_progress_comes_at_growing_intervals_and_the_end_at_once(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    for second in range(3 * 3600):
        await store.want_checks([check(title=str(second))], now=clock.now())
        if second % 5 == 0:
            await loop.send_due()
        clock.at += 1
        if len(forge.published) == PROGRESS_WRITES and second > 2000:
            break
    assert len(forge.published) <= PROGRESS_WRITES
    times = [int(each.title) for each in forge.published]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= FIRST_PAUSE_SECONDS
    await store.want_checks([check(title="end", done=True)], now=clock.now())
    await loop.send_due()
    assert forge.published[-1].title == "end"


async def test_no_more_is_written_than_the_forge_bears(store: Store) -> None:
    forge, clock = Measured(per_minute=3), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([check(str(number), done=True) for number in range(8)], now=clock.now())
    pause = await loop.send_due()
    assert len(forge.published) == 3
    assert pause == pytest.approx(60.0)
    clock.at += 20.0
    assert await loop.send_due() == pytest.approx(40.0)
    assert len(forge.published) == 3
    clock.at += 40.0
    await loop.send_due()
    assert len(forge.published) == 6


async def test_what_fails_for_now_is_tried_again_when_the_forge_says(store: Store) -> None:
    forge, clock = Measured(answers=[PublishFailed("502", 30.0)]), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([check(done=True)], now=clock.now())
    pause = await loop.send_due()
    assert pause == pytest.approx(30.0)
    assert forge.published == []
    clock.at += 30.0
    await loop.send_due()
    assert len(forge.published) == 1


async def test_a_limit_of_the_account_silences_all_of_it(store: Store) -> None:
    forge, clock = Measured(answers=[PublishFailed("secondary limit", 60.0, limited=True)]), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([check(str(number), done=True) for number in range(3)], now=clock.now())
    await loop.send_due()
    assert forge.asked.count("publish") == 1
    clock.at += 59.0
    await loop.send_due()
    assert forge.asked.count("publish") == 1
    clock.at += 1.0
    await loop.send_due()
    assert len(forge.published) == 3


async def test_what_can_never_be_sent_is_given_up_until_it_changes(store: Store) -> None:
    forge, clock = Measured(answers=[PublishFailed("422: the commit is gone")]), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([check(done=True)], now=clock.now())
    assert await loop.send_due() is None
    clock.at += 1e6
    await loop.send_due()
    assert forge.asked.count("publish") == 1
    (post,) = await store.posts_at(REPOSITORY, SHA)
    assert post.fault == "422: the commit is gone"
    await store.want_checks([check(done=True, title="another")], now=clock.now())
    await loop.send_due()
    assert [each.title for each in forge.published] == ["another"]


async def test_a_check_that_somebody_removed_is_made_again(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([check()], now=clock.now())
    await loop.send_due()
    forge.answers = [PublishFailed("404", 0.0, forget=True)]
    await store.want_checks([check(done=True)], now=clock.now())
    await loop.send_due()
    (post,) = await store.posts_at(REPOSITORY, SHA)
    assert post.remote is None
    await loop.send_due()
    assert len(forge.published) == 2


async def test_a_repository_that_nobody_serves_stands_with_its_reason(store: Store) -> None:
    clock = Hands()
    await store.want_checks([check(done=True)], now=clock.now())
    assert await publisher(store, None, clock).send_due() is None
    (post,) = await store.posts_at(REPOSITORY, SHA)
    assert "no configured forge" in post.fault


async def test_a_wake_up_sends_at_once_and_the_end_of_the_server_what_is_left(store: Store) -> None:
    forge, clock, wanted = Measured(), Hands(), Wakeup()
    loop = Publisher(store, lambda _: forge, clock, SilentLogger(), wanted)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(loop.run)
        await store.want_checks([check("a", done=True)], now=clock.now())
        wanted.wake()
        with anyio.fail_after(10):
            while not forge.published:  # noqa: ASYNC110 - the forge tells nobody
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    await store.want_checks([check("b", done=True)], now=clock.now())
    await loop.flush(5)
    assert [each.context for each in forge.published] == ["a", "b"]


async def test_a_forge_that_does_not_say_what_it_bears_is_asked_again(store: Store) -> None:
    class Broken(ScriptedForge):
        def write_budget(self, repository: RepositoryId) -> WriteBudget:
            raise InfrastructureFault(f"no budget for {repository}")

    clock = Hands()
    await store.want_checks([check(done=True)], now=clock.now())
    pause = await publisher(store, Broken(), clock).send_due()
    assert pause == pytest.approx(60.0)


async def test_a_review_that_begins_again_takes_its_old_verdict_back_at_once(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    for number in range(PROGRESS_WRITES + 2):
        await store.want_checks([check(title=f"queued {number}")], now=clock.now())
        await loop.send_due()
        await store.want_checks([check(title=f"end {number}", done=True)], now=clock.now())
        await loop.send_due()
    expected = [f"{word} {number}" for number in range(PROGRESS_WRITES + 2) for word in ("queued", "end")]
    assert [each.title for each in forge.published] == expected


async def test_the_next_process_goes_on_within_the_same_minute_and_the_same_pause(store: Store) -> None:
    forge, clock = Measured(per_minute=3), Hands()
    await store.want_checks([check(str(number)) for number in range(5)], now=clock.now())
    assert await publisher(store, forge, clock).send_due() == pytest.approx(60)
    assert await publisher(store, forge, clock).send_due() == pytest.approx(60)
    assert len(forge.published) == 3
    clock.at += 60
    forge.answers = [PublishFailed("slow down", retry_after_seconds=500.0, limited=True)]
    assert await publisher(store, forge, clock).send_due() == pytest.approx(500)
    clock.at += 400
    assert await publisher(store, forge, clock).send_due() == pytest.approx(100)
    assert len(forge.published) == 3
    clock.at += 100
    await publisher(store, forge, clock).send_due()
    assert len(forge.published) == 5


def pull_request(head_sha: CommitSha, *, draft: bool = False) -> PullRequest:
    return PullRequest(
        REPOSITORY, 7, "A change", Person("ada", 1), PullRequestState.OPEN, draft, Branch("main"),
        CommitSha.parse("a" * 40), Branch("change"), head_sha, REPOSITORY, 1000.0,
    )  # fmt: skip


def on_pull_request(text: str, *, done: bool = False, sha: CommitSha = SHA) -> Check:
    return attrs.evolve(check("EkaCI: Comment (#7)", done=done, sha=sha), text=f"{COMMENT_MARK} {text}", comment_on=7)


async def test_a_comment_is_written_once_and_changed_in_its_place(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([on_pull_request("begin")], now=clock.now())
    await loop.send_due()
    await store.want_checks([on_pull_request("end", done=True)], now=clock.now())
    await loop.send_due()
    assert forge.published == [], "it is no check"
    assert list(forge.comments.values()) == [f"{COMMENT_MARK} end"]
    assert len(forge.comment_writes) == 2
    await loop.send_due()
    assert len(forge.comment_writes) == 2


async def test_the_comment_of_another_commit_or_of_a_lost_database_is_changed(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    await store.want_checks([on_pull_request("first", done=True)], now=clock.now())
    await loop.send_due()
    await store.want_checks([on_pull_request("second", done=True, sha=OTHER)], now=clock.now())
    await loop.send_due()
    async with open_store(None) as empty:
        await empty.want_checks([on_pull_request("third", done=True, sha=OTHER)], now=clock.now())
        await publisher(empty, forge, clock).send_due()
    assert list(forge.comments.values()) == [f"{COMMENT_MARK} third"]


async def test_what_is_said_of_an_older_commit_never_stands_over_the_newest(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    await store.note_pull_request(pull_request(OTHER), now=clock.now())
    await store.want_checks([on_pull_request("new", done=True, sha=OTHER)], now=clock.now())
    await loop.send_due()
    await store.want_checks([on_pull_request("old", done=True)], now=clock.now())
    assert await loop.send_due() is None, "nor does it wait"
    assert list(forge.comments.values()) == [f"{COMMENT_MARK} new"]
    (post,) = await store.posts_at(REPOSITORY, SHA)
    assert "newer commit" in post.fault


async def test_a_forge_that_cannot_be_asked_for_its_comment_is_asked_later(store: Store) -> None:
    forge, clock = Measured(), Hands()
    loop = publisher(store, forge, clock)
    forge.faults.append(InfrastructureFault("the forge does not answer"))
    await store.want_checks([on_pull_request("end", done=True)], now=clock.now())
    wait = await loop.send_due()
    assert wait is not None
    assert not forge.comments, "a second comment would be made where one is there"
    clock.at += wait
    await loop.send_due()
    assert len(forge.comments) == 1

"""What a server stores, step by step against plain dictionaries, with repositories that change their names."""

from __future__ import annotations

import math
import sqlite3
import zlib
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ekaci_core.model.check import Check
from ekaci_core.model.forge import RepositoryId
from ekaci_core.model.review import ReviewState, ReviewWish
from ekaci_core.store import deliveries, posts, repositories, reviews
from ekaci_core.store.connection import immediate
from ekaci_core.store.deliveries import NewDelivery
from ekaci_core.store.delivery import Delivery, DeliveryState
from ekaci_core.store.migrate import migrations, prepare
from ekaci_core.store.outbox import Post
from ekaci_core.store.review import ReviewId, ReviewRecord
from ekaci_core.testing.store_forges import check, sha, wish

Result = TypeVar("Result")

PLACES: Final = tuple(RepositoryId("forge", f"owner/{name}") for name in "abc")
REPOSITORIES, LETTERS = st.sampled_from(PLACES), st.sampled_from("abc")
STATES = st.sampled_from(ReviewState)
WISHES = st.builds(
    lambda repository, head, number, trusted: wish(head, number, repository=repository, trusted=trusted),
    REPOSITORIES,
    LETTERS,
    st.sampled_from([1, 2, None]),
    st.booleans(),
)
CHECKS = st.builds(
    lambda repository, context, text, done: check(context, text, done=done, repository=repository),
    REPOSITORIES,
    st.sampled_from(["x", "y"]),
    LETTERS,
    st.booleans(),
)
PICKS = st.integers(0, 99)
WAITS = st.sampled_from([None, 1.0, 5.0])
ENDED = frozenset({ReviewState.SUPERSEDED, ReviewState.CLOSED})


def wish_key(wanted: ReviewWish) -> tuple[object, ...]:
    return (wanted.repository, wanted.occasion, wanted.number, wanted.base, wanted.head_sha)


@attrs.define
class Wanted:
    """A post as the model has it."""

    post: Post
    since: float

    @property
    def waits(self) -> bool:
        return self.post.sent < self.post.version and self.post.not_before < math.inf


class ServerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")
        prepare(self.connection, where="memory", steps=migrations())
        self.now = 1.0
        self.inbox: dict[int, Delivery] = {}
        self.reviews: dict[int, ReviewRecord] = {}
        self.reports: dict[int, str] = {}
        self.posts: dict[int, Wanted] = {}

    def teardown(self) -> None:
        assert self.connection.execute("PRAGMA foreign_key_check").fetchall() == []
        self.connection.close()

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        self.now += 1.0
        return immediate(work, self.connection)

    # --- deliveries ---

    @rule(names=st.lists(st.sampled_from("abcdef"), max_size=4))
    def arrive(self, names: list[str]) -> None:
        new = [NewDelivery("github", "app", name, "push", name.encode(), self.now) for name in names]
        answers = self.run(lambda tx: deliveries.add(tx, new))
        for each, stored in zip(new, answers, strict=True):
            assert stored is (each.name not in {known.name for known in self.inbox.values()})
            if stored:
                row = self.connection.execute("SELECT id FROM delivery WHERE name = ?", (each.name,)).fetchone()
                fields = ("github", "app", each.name, "push", each.payload, each.received_at)
                self.inbox[row[0]] = Delivery(row[0], *fields, DeliveryState.PENDING)

    @precondition(lambda self: self.inbox)
    @rule(pick=PICKS, state=st.sampled_from(DeliveryState))
    def handle(self, pick: int, state: DeliveryState) -> None:
        each = self.inbox[sorted(self.inbox)[pick % len(self.inbox)]]
        now = self.now
        self.run(lambda tx: deliveries.end(tx, each.id, state, "so", now))
        handled = None if state is DeliveryState.PENDING else now
        self.inbox[each.id] = attrs.evolve(
            each, state=state, outcome="so", handled_at=handled, attempts=each.attempts + 1
        )

    @precondition(lambda self: self.inbox)
    @rule(pick=PICKS)
    def replay(self, pick: int) -> None:
        each = self.inbox[sorted(self.inbox)[pick % len(self.inbox)]]
        # As old as it was: what is replayed is spared by pruning, and that has a test of its own.
        assert self.run(lambda tx: deliveries.replay(tx, each.id, each.received_at))
        self.inbox[each.id] = attrs.evolve(each, state=DeliveryState.PENDING, outcome="", handled_at=None, attempts=0)

    @rule(age=st.sampled_from([3.0, 20.0]))
    def prune(self, age: float) -> None:
        before = self.now - age
        old = [
            each.id
            for each in self.inbox.values()
            if each.state is not DeliveryState.PENDING and each.received_at < before
        ]
        assert self.run(lambda tx: deliveries.prune(tx, before, 99)) == len(old)
        for number in old:
            del self.inbox[number]
        idle = [
            post
            for post, each in self.posts.items()
            if not each.waits and max(each.post.changed_at, each.post.sent_at or 0) < before
        ]
        assert self.run(lambda tx: posts.prune(tx, before, 99)) == len(idle)
        for post in idle:
            del self.posts[post]

    # --- reviews ---

    def supersede(self, repository: RepositoryId, number: int | None, kept: int, at: float | None) -> None:
        for each in self.reviews.values():
            of_it = (each.wish.repository, each.wish.number) == (repository, number)
            if number and of_it and each.id != kept and each.state.is_live:
                changed = each.changed_at if at is None else at
                self.reviews[each.id] = attrs.evolve(each, state=ReviewState.SUPERSEDED, detail="", changed_at=changed)

    @rule(wanted=WISHES, state=st.sampled_from([ReviewState.WAITING, ReviewState.QUEUED]))
    def ask(self, wanted: ReviewWish, state: ReviewState) -> None:
        now = self.now
        number = self.run(lambda tx: reviews.ask(tx, wanted, state, now))
        twins = [each for each in self.reviews.values() if wish_key(each.wish) == wish_key(wanted)]
        assert [each.id for each in twins] in ([], [number])
        count = 1 + twins[0].round if twins else 1
        if not twins or twins[0].state in ENDED:
            self.reviews[number] = ReviewRecord(number, wanted, state, now, now, round=count)
            self.reports.pop(number, None)
        self.supersede(wanted.repository, wanted.number, number, now)
        if wanted.number:
            live = [each for each in self.reviews.values() if each.state.is_live]
            assert (
                sum(each.wish.number == wanted.number and each.wish.repository == wanted.repository for each in live)
                <= 1
            )

    @precondition(lambda self: self.reviews)
    @rule(pick=PICKS, expected=st.sets(STATES), state=STATES)
    def change(self, pick: int, expected: set[ReviewState], state: ReviewState) -> None:
        each = self.reviews[sorted(self.reviews)[pick % len(self.reviews)]]
        now = self.now
        done = self.run(partial(reviews.change, review=each.id, state=state, expected=expected, detail="d", now=now))
        assert done is (each.state in expected)
        if done:
            self.reviews[each.id] = attrs.evolve(each, state=state, detail="d", changed_at=now)

    @precondition(lambda self: self.reviews)
    @rule(pick=PICKS, report=LETTERS)
    def finish(self, pick: int, report: str) -> None:
        each = self.reviews[sorted(self.reviews)[pick % len(self.reviews)]]
        now = self.now
        done = self.run(lambda tx: reviews.finish(tx, each.id, "merge", zlib.compress(report.encode()), now))
        assert done is each.state.is_live
        if done:
            self.reports[each.id] = report
            self.reviews[each.id] = attrs.evolve(
                each, state=ReviewState.DONE, decision="merge", detail="", changed_at=now
            )

    @precondition(lambda self: self.reviews)
    @rule(pick=PICKS)
    def ask_again(self, pick: int) -> None:
        each = self.reviews[sorted(self.reviews)[pick % len(self.reviews)]]
        now = self.now
        done = self.run(lambda tx: reviews.ask_again(tx, each.id, now))
        assert done is not (each.state.is_live or each.state in ENDED)
        if done:
            self.reports.pop(each.id, None)
            self.reviews[each.id] = ReviewRecord(each.id, each.wish, ReviewState.QUEUED, now, now, round=each.round + 1)

    # --- posts ---

    @rule(wanted=st.lists(CHECKS, max_size=3))
    def want(self, wanted: list[Check]) -> None:
        now = self.now
        changed = self.run(lambda tx: posts.want(tx, wanted, now))
        last = {(each.repository, each.context): each for each in wanted}
        for place, each in last.items():
            known = [was for was in self.posts.values() if (was.post.check.repository, was.post.check.context) == place]
            if not known:
                [row] = posts.at(self.connection, place[0], sha("a"), [place[1]])
                post = Post(row.id, each, 1, 0, None, 0, now, None, 0.0, each.conclusion is not None)
                self.posts[row.id] = Wanted(post, now)
            elif known[0].post.check != each:
                was = known[0]
                since = was.since if was.waits else now
                was.post = attrs.evolve(
                    was.post,
                    check=each,
                    version=was.post.version + 1,
                    changed_at=now,
                    final=each.conclusion is not None,
                    not_before=0.0 if was.post.not_before == math.inf else was.post.not_before,
                    writes=0 if was.post.final and each.conclusion is None else was.post.writes,
                )
                was.since = since
            else:
                continue
            changed -= 1
        assert changed == 0

    @precondition(lambda self: self.posts)
    @rule(pick=PICKS, back=st.integers(0, 1))
    def send(self, pick: int, back: int) -> None:
        each = self.posts[sorted(self.posts)[pick % len(self.posts)]]
        version, now = max(1, each.post.version - back), self.now
        self.run(lambda tx: posts.sent(tx, each.post.id, version=version, remote=f"r{now}", now=now))
        each.post = attrs.evolve(
            each.post,
            sent=max(each.post.sent, version),
            remote=f"r{now}",
            writes=each.post.writes + 1,
            sent_at=now,
            not_before=0.0,
            fault="",
        )
        each.since = now

    @precondition(lambda self: self.posts)
    @rule(pick=PICKS, wait=WAITS, forget=st.booleans(), back=st.sampled_from([None, 0, 1]))
    def fail(self, pick: int, wait: float | None, forget: bool, back: int | None) -> None:  # noqa: FBT001
        each = self.posts[sorted(self.posts)[pick % len(self.posts)]]
        version = None if back is None else each.post.version - back
        until = None if wait is None else self.now + wait
        self.run(partial(posts.failed, post=each.post.id, fault="f", not_before=until, forget=forget, version=version))
        given_up = 0.0 if back else math.inf
        each.post = attrs.evolve(each.post, fault="f", not_before=given_up if until is None else until)
        if forget:
            each.post = attrs.evolve(each.post, sent=0, remote=None)

    # --- repositories ---

    @rule(before=REPOSITORIES, after=REPOSITORIES)
    def rename(self, before: RepositoryId, after: RepositoryId) -> None:
        known = repositories.find(self.connection, before) is not None
        both = known and before != after and repositories.find(self.connection, after) is not None
        self.run(lambda tx: repositories.rename(tx, before, after))
        if not known or before == after:
            return
        taken = {wish_key(each.wish) for each in self.reviews.values()}
        for old in [each for each in self.reviews.values() if each.wish.repository == before]:
            moved = attrs.evolve(old, wish=attrs.evolve(old.wish, repository=after))
            if wish_key(moved.wish) in taken:
                del self.reviews[old.id]
                self.reports.pop(old.id, None)
            else:
                self.reviews[old.id] = moved
        names = {each.post.check.context for each in self.posts.values() if each.post.check.repository == after}
        for number, each in list(self.posts.items()):
            if each.post.check.repository == before and each.post.check.context in names:
                del self.posts[number]
            elif each.post.check.repository == before:
                each.post = attrs.evolve(each.post, check=attrs.evolve(each.post.check, repository=after))
        if both:
            for at in (1, 2):
                live = [
                    each
                    for each in self.reviews.values()
                    if each.state.is_live and (each.wish.repository, each.wish.number) == (after, at)
                ]
                if live:
                    self.supersede(after, at, max(live, key=lambda each: (each.asked_at, each.id)).id, None)

    # --- what is read is what the dictionaries say ---

    @invariant()
    def deliveries_agree(self) -> None:
        newest = [attrs.evolve(self.inbox[number], payload=b"") for number in sorted(self.inbox, reverse=True)]
        assert deliveries.newest(self.connection, None, 99, None) == newest
        pending = [each for _, each in sorted(self.inbox.items()) if each.state is DeliveryState.PENDING]
        assert deliveries.pending(self.connection, 99, 0) == pending

    @invariant()
    def reviews_agree(self) -> None:
        for place in PLACES:
            found = reviews.of(self.connection, place, number=None, sha=None, limit=99)
            wanted = [each for each in self.reviews.values() if each.wish.repository == place]
            assert found == sorted(wanted, key=lambda each: -each.id)
        live = [each for each in self.reviews.values() if each.state.is_live]
        assert reviews.live(self.connection) == sorted(live, key=lambda each: (each.asked_at, each.id))
        for number in self.reviews:
            report = reviews.report(self.connection, ReviewId(number))
            assert (report and zlib.decompress(report).decode()) == self.reports.get(number)

    @invariant()
    def posts_agree(self) -> None:
        for place in PLACES:
            found = posts.at(self.connection, place, sha("a"), ())
            wanted = [each.post for _, each in sorted(self.posts.items()) if each.post.check.repository == place]
            assert found == wanted
        waiting = sorted((each for each in self.posts.values() if each.waits), key=urgency)
        due = [each.post for each in waiting if each.post.not_before <= self.now]
        assert posts.due(self.connection, self.now, 99) == due
        later = [each.post.not_before for each in waiting if each.post.not_before > self.now]
        assert posts.next_at(self.connection, self.now) == min(later, default=None)


def urgency(wanted: Wanted) -> tuple[int, float, float, int]:
    """First words, then ends of what is shown as running, then other ends, then progress; each the oldest first."""
    post = wanted.post
    end, word = (1 if post.sent else 2), (3 if post.writes else 0)
    return end if post.final else word, wanted.since, post.not_before, post.id


TestServerMachine = ServerMachine.TestCase
TestServerMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

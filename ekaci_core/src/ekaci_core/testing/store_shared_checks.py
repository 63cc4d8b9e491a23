"""The part of a store's contract that holds what several reviews want of one commit."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from ekaci_core.model.check import Check
from ekaci_core.model.forge import Branch, PullRequestState
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.store.contract import Store
from ekaci_core.store.review import ReviewId, ReviewRecord
from ekaci_core.store.shared_checks import ReviewCheck
from ekaci_core.testing.store_forges import HERE, LIVE, THERE, check, pull_request, sha, wish

OTHER = Branch("release")


def join(checks: Sequence[ReviewCheck]) -> Check:
    """Put the texts beside each other."""
    assert checks
    return attrs.evolve(checks[0].check, text="+".join(each.check.text for each in checks))


def leave(record: ReviewRecord, left: Sequence[Check]) -> Sequence[Check]:
    """Say whose words count now."""
    return [attrs.evolve(each, text=f"left to {record.wish.number}") for each in left]


async def _ask(store: Store, wanted: ReviewWish) -> ReviewId:
    return await store.ask_review(wanted, ReviewState.QUEUED, now=1.0)


async def _shown(store: Store) -> dict[str, str]:
    return {post.check.context: post.check.text for post in await store.posts_at(HERE, sha("a"))}


class SharedChecksConformance:
    """What every store does with them."""

    async def test_what_one_review_wants_is_shown(self, store: Store) -> None:
        review = await _ask(store, wish())
        wanted = [check("x", "1"), check("y", "2")]
        assert await store.want_review_checks(review, wanted, join=join, now=2.0) == 2
        assert await store.want_review_checks(review, wanted, join=join, now=3.0) == 0
        assert await store.review_checks(review) == wanted
        assert await _shown(store) == {"x": "1", "y": "2"}
        assert await store.want_review_checks(ReviewId(99), wanted, join=join, now=3.0) == 0

    async def test_what_two_reviews_want_is_joined_in_their_order(self, store: Store) -> None:
        first, second = await _ask(store, wish()), await _ask(store, wish(number=2, base=OTHER))
        await store.want_review_checks(second, [check("x", "2"), check("y", "2")], join=join, now=2.0)
        await store.want_review_checks(first, [check("x", "1")], join=join, now=3.0)
        assert await _shown(store) == {"x": "1+2", "y": "2"}
        assert [(each.review.id, each.check.text) for each in await store.standing_checks(HERE, sha("a"))] == [
            (first, "1"),
            (second, "2"),
            (second, "2"),
        ]

    async def test_reviews_of_other_commits_places_and_kinds_do_not_count(self, store: Store) -> None:
        review = await _ask(store, wish())
        others = [
            wish(head="b", number=2),
            wish(number=2, repository=THERE),
            wish(number=None),
            wish(number=None, occasion=Occasion.COMMIT),
        ]
        for each in others:
            number = await _ask(store, each)
            there = check("x", "no", sha=each.head_sha, repository=each.repository)
            await store.want_review_checks(number, [there], join=join, now=2.0)
        await store.want_review_checks(review, [check("x", "1")], join=join, now=2.0)
        assert (await _shown(store))["x"] == "1"
        assert [each.id for each in await store.standing_reviews(HERE, sha("a"))] == [review]

    @pytest.mark.parametrize("state", ReviewState)
    async def test_what_is_live_or_done_counts(self, store: Store, state: ReviewState) -> None:
        review = await _ask(store, wish())
        await store.change_review(review, state, expected=LIVE, now=2.0)
        standing = await store.standing_reviews(HERE, sha("a"))
        assert bool(standing) is (state.is_live or state is ReviewState.DONE)

    @pytest.mark.parametrize(
        ("changes", "counts"),
        [
            ({}, True),
            ({"draft": True}, True),
            ({"state": PullRequestState.CLOSED}, False),
            ({"state": PullRequestState.MERGED}, False),
            ({"base": OTHER}, False),
            ({"head_sha": sha("c")}, False),
        ],
    )
    async def test_what_is_done_counts_as_long_as_its_pull_request_is_of_it(
        self, store: Store, changes: dict[str, object], *, counts: bool
    ) -> None:
        done, live = await _ask(store, wish()), await _ask(store, wish(number=2))
        await store.want_review_checks(done, [check("x", "1"), check("y", "1")], join=join, now=2.0)
        await store.want_review_checks(live, [check("x", "2")], join=join, now=2.0)
        await store.finish_review(done, decision="merge", result="", now=3.0)
        await store.note_pull_request(pull_request(**changes), now=4.0)  # type: ignore[arg-type]
        await store.rejoin_checks(HERE, sha("a"), join=join, leave=leave, now=5.0)
        assert await _shown(store) == ({"x": "1+2", "y": "1"} if counts else {"x": "2", "y": "left to 2"})

    async def test_nothing_is_left_to_nobody(self, store: Store) -> None:
        review = await _ask(store, wish())
        await store.want_review_checks(review, [check("x", "1")], join=join, now=2.0)
        await store.change_review(review, ReviewState.CLOSED, expected=LIVE, now=3.0)
        assert await store.rejoin_checks(HERE, sha("a"), join=join, leave=leave, now=5.0) == 0
        await store.want_review_checks(review, [check("x", "2")], join=join, now=6.0)
        assert await _shown(store) == {"x": "2"}, "where no other counts, what it wants is shown"

    async def test_a_commit_of_two_pull_requests_is_found_by_news_of_one(self, store: Store) -> None:
        await _ask(store, wish())
        await store.note_pull_request(pull_request(), now=10.0)
        assert await store.shared_heads(since=5.0) == []
        await _ask(store, wish(number=2, base=OTHER))
        assert await store.shared_heads(since=5.0) == [(HERE, sha("a"))]
        assert await store.shared_heads(since=11.0) == []

    async def test_what_counts_nowhere_is_forgotten_once_it_is_old(self, store: Store) -> None:
        numbers = [await _ask(store, wish(number=number)) for number in (1, 2, 3)]
        for number in numbers:
            await store.want_review_checks(number, [check("x", "1")], join=join, now=2.0)
        for number in numbers[:2]:
            await store.finish_review(number, decision="merge", result="", now=3.0)
        await store.note_pull_request(pull_request(2), now=4.0)
        assert await store.prune_review_checks(before=2.0) == 0
        assert await store.prune_review_checks(before=3.0) == 1
        assert [len(await store.review_checks(number)) for number in numbers] == [0, 1, 1]

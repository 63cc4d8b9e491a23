"""The part of a store's contract that operators' commands need."""

from __future__ import annotations

from ekaci_core.model.review import Occasion, ReviewState
from ekaci_core.store.contract import Store
from ekaci_core.store.delivery import DeliveryId, DeliveryState
from ekaci_core.store.tally import Tally
from ekaci_core.testing.store_forges import HERE, THERE, check, sha, wish


class TallyConformance:
    """What every store does for who looks at it."""

    async def test_an_empty_store_has_nothing_to_count(self, store: Store) -> None:
        assert await store.tally() == Tally({}, {}, 0, None, 0, {})
        assert await store.reviews_at("a") == []

    async def test_what_there_is_is_counted(self, store: Store) -> None:
        for number in (1, 2, 3):
            await store.ask_review(wish(number=number), ReviewState.WAITING, now=1.0)
            await store.add_delivery("github", "app", f"d{number}", "push", b"{}", now=1.0)
        await store.ask_review(wish("b", number=3), ReviewState.QUEUED, now=2.0)
        (newest, *_) = await store.deliveries()
        await store.end_delivery(DeliveryId(newest.id), DeliveryState.FAILED, outcome="no", now=3.0)
        await store.want_checks([check("x"), check("y"), check("z"), check("w")], now=5.0)
        x, y, z, _ = await store.posts_at(HERE, sha("a"))
        await store.post_failed(x.id, fault="gone", not_before=None, forget=False)
        await store.post_failed(y.id, fault="slow", not_before=100.0, forget=False)
        await store.post_sent(z.id, version=1, remote="z", now=7.0)
        assert await store.tally() == Tally(
            reviews={ReviewState.WAITING: 2, ReviewState.QUEUED: 1, ReviewState.SUPERSEDED: 1},
            deliveries={DeliveryState.PENDING: 2, DeliveryState.FAILED: 1},
            posts_waiting=2,
            posts_oldest=5.0,
            posts_given_up=1,
            posts_faults={"gone": 1, "slow": 1},
        )

    async def test_reviews_are_found_by_the_beginning_of_a_commit(self, store: Store) -> None:
        first = await store.ask_review(wish(), ReviewState.QUEUED, now=1.0)
        other = await store.ask_review(wish(repository=THERE, number=9), ReviewState.QUEUED, now=2.0)
        named = await store.ask_review(wish(number=None, occasion=Occasion.COMMIT), ReviewState.QUEUED, now=3.0)
        await store.ask_review(wish("b", number=4), ReviewState.QUEUED, now=4.0)
        assert [each.id for each in await store.reviews_at("aaaa")] == [named, other, first]
        assert [each.id for each in await store.reviews_at(sha("a"), limit=1)] == [named]
        assert await store.reviews_at("aaaa%") == []

    async def test_what_is_sent_again_is_wanted_as_it_was(self, store: Store) -> None:
        await store.want_checks([check("x"), check("y"), check("x", sha=sha("b"))], now=1.0)
        x, y = await store.posts_at(HERE, sha("a"))
        await store.post_sent(x.id, version=1, remote="there", now=2.0)
        await store.post_failed(y.id, fault="refused", not_before=None, forget=False)
        assert await store.resend_posts(THERE, sha("a"), now=9.0) == 0
        assert await store.resend_posts(HERE, sha("c"), now=9.0) == 0
        assert await store.resend_posts(HERE, sha("a"), now=9.0) == 2
        x, y = await store.posts_at(HERE, sha("a"))
        assert (x.version, x.sent, x.remote, x.not_before) == (1, 0, "there", 0.0)
        assert (y.sent, y.fault, y.not_before) == (0, "", 0.0)
        assert {post.id for post in await store.posts_due(now=9.0, limit=10)} >= {x.id, y.id}

    async def test_why_a_review_came_out_so_without_a_report_is_told(self, store: Store) -> None:
        review = await store.ask_review(wish(), ReviewState.QUEUED, now=1.0)
        await store.finish_review(review, decision="do_not_merge", result="", detail="no \U0001f600 file", now=2.0)
        record = await store.review(review)
        assert record is not None
        assert (record.state, record.detail) == (ReviewState.DONE, "no \U0001f600 file")

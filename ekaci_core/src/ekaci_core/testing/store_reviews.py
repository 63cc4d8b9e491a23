"""The part of a store's contract that holds reviews."""

from __future__ import annotations

import pytest

from ekaci_core.model.forge import Branch
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.store.contract import Store
from ekaci_core.store.review import ReviewId, ReviewRecord
from ekaci_core.testing.store_forges import HERE, LIVE, THERE, sha, wish

WAITING, QUEUED, DONE = ReviewState.WAITING, ReviewState.QUEUED, ReviewState.DONE
SUPERSEDED, CLOSED = ReviewState.SUPERSEDED, ReviewState.CLOSED


async def _ask(store: Store, wanted: ReviewWish, state: ReviewState = QUEUED, now: float = 1.0) -> ReviewId:
    return await store.ask_review(wanted, state, now=now)


async def _state(store: Store, review: ReviewId) -> ReviewState:
    found = await store.review(review)
    assert found is not None
    return found.state


class ReviewConformance:
    """What every store does with reviews."""

    @pytest.mark.parametrize(
        "wanted",
        [
            wish(base_sha=sha("b"), trusted=False, author="a \u00fc"),
            wish(number=None),
            wish(number=None, occasion=Occasion.MERGE_GROUP, head_sha=CommitSha("c" * 64)),
        ],
        ids=lambda each: each.occasion.value,
    )
    async def test_a_review_comes_back_as_it_went(self, store: Store, wanted: ReviewWish) -> None:
        number = await _ask(store, wanted, WAITING, 3.5)
        assert await store.review(number) == ReviewRecord(number, wanted, WAITING, 3.5, 3.5)
        assert await store.review(ReviewId(number + 1)) is None
        assert await store.review_result(number) == ""

    async def test_the_same_is_asked_for_once(self, store: Store) -> None:
        number = await _ask(store, wish())
        assert await _ask(store, wish(trusted=False, base_sha=sha("b")), WAITING, 9.0) == number
        assert await store.review(number) == ReviewRecord(number, wish(), QUEUED, 1.0, 1.0)
        others = [
            wish(head="b", number=None),
            wish(number=2),
            wish(number=None),
            wish(repository=THERE),
            wish(number=None, occasion=Occasion.MERGE_GROUP),
            wish(number=None, base=Branch("release")),
        ]
        assert len({await _ask(store, each) for each in others} | {number}) == len(others) + 1

    async def test_a_newer_commit_supersedes_what_is_live_of_its_pull_request(self, store: Store) -> None:
        old = [await _ask(store, wish(str(at)), state) for at, state in enumerate([WAITING, QUEUED])]
        kept = [
            await _ask(store, wish("a", 2)),
            await _ask(store, wish("a", None)),
            await _ask(store, wish("a", 1, repository=THERE)),
        ]
        new = await _ask(store, wish("f"), now=7.0)
        assert [await _state(store, each) for each in old] == [SUPERSEDED, SUPERSEDED]
        superseded = await store.review(old[1])
        assert superseded is not None
        assert superseded.changed_at == 7.0
        assert [await _state(store, each) for each in [*kept, new]] == [QUEUED] * 4

    @pytest.mark.parametrize("state", list(ReviewState), ids=lambda state: state.value)
    async def test_only_what_is_live_is_superseded(self, store: Store, state: ReviewState) -> None:
        old = await _ask(store, wish("a"))
        await store.change_review(old, state, expected=[QUEUED], now=2.0)
        await _ask(store, wish("b"), now=3.0)
        assert await _state(store, old) is (SUPERSEDED if state.is_live else state)

    async def test_branches_and_merge_groups_supersede_nothing(self, store: Store) -> None:
        group = Occasion.MERGE_GROUP
        old = [await _ask(store, wish("a", None)), await _ask(store, wish("a", None, occasion=group))]
        await _ask(store, wish("b", None))
        await _ask(store, wish("b", None, occasion=group))
        assert [await _state(store, each) for each in old] == [QUEUED, QUEUED]

    @pytest.mark.parametrize("state", [SUPERSEDED, CLOSED])
    async def test_a_commit_that_comes_back_is_reviewed_again(self, store: Store, state: ReviewState) -> None:
        """Of a branch that is pushed back, or a pull request that is opened again."""
        first = await _ask(store, wish("a"))
        assert await store.finish_review(first, decision="merge", result="{}", now=2.0)
        assert await store.change_review(first, state, expected=[DONE], detail="gone", now=3.0)
        second = await _ask(store, wish("b"), now=4.0)
        again = wish("a", trusted=False)
        assert await _ask(store, again, WAITING, now=5.0) == first
        assert await store.review(first) == ReviewRecord(first, again, WAITING, 5.0, 5.0, round=2)
        assert await store.review_result(first) == ""
        assert await _state(store, second) is SUPERSEDED

    async def test_a_finished_review_that_is_asked_for_supersedes_too(self, store: Store) -> None:
        first = await _ask(store, wish("a"))
        await store.finish_review(first, decision="merge", result="{}", now=2.0)
        second = await _ask(store, wish("b"))
        assert await _ask(store, wish("a")) == first
        assert (await _state(store, first), await _state(store, second)) == (DONE, SUPERSEDED)

    async def test_a_state_changes_only_from_one_that_is_expected(self, store: Store) -> None:
        number = await _ask(store, wish())
        expected = [ReviewState.EVALUATING, ReviewState.BUILDING]
        assert not await store.change_review(number, DONE, expected=expected, now=2.0)
        assert not await store.change_review(number, DONE, expected=[], now=2.0)
        assert await _state(store, number) is QUEUED
        building, fault = ReviewState.BUILDING, ReviewState.FAULT
        assert await store.change_review(number, building, expected=[QUEUED], detail="of 3", now=3.0)
        assert await store.change_review(number, fault, expected=expected, detail="no space \udcff", now=4.0)
        found = await store.review(number)
        assert found is not None
        assert (found.state, found.changed_at, found.asked_at) == (fault, 4.0, 1.0)
        assert found.detail.startswith("no space")
        assert not await store.change_review(ReviewId(number + 1), fault, expected=list(ReviewState), now=5.0)

    async def test_a_result_is_stored_with_the_decision(self, store: Store) -> None:
        number = await _ask(store, wish())
        report = '{"packages": ["\u00fc", "\udcff"]}' * 10_000
        assert await store.finish_review(number, decision="do_not_merge", result=report, now=8.0)
        assert await store.review_result(number) == report
        wanted = ReviewRecord(number, wish(), DONE, 1.0, 8.0, decision="do_not_merge")
        assert await store.review(number) == wanted
        assert not await store.finish_review(number, decision="merge", result="{}", now=9.0)
        assert await store.review(number) == wanted
        assert await store.review_result(number) == report

    @pytest.mark.parametrize("state", list(ReviewState), ids=lambda state: state.value)
    async def test_only_a_live_review_is_finished(self, store: Store, state: ReviewState) -> None:
        number = await _ask(store, wish())
        await store.change_review(number, state, expected=[QUEUED], now=2.0)
        assert await store.finish_review(number, decision="merge", result="{}", now=3.0) is state.is_live
        assert (await store.review_result(number) != "") is state.is_live

    @pytest.mark.parametrize("state", list(ReviewState), ids=lambda state: state.value)
    async def test_what_has_ended_is_asked_for_again(self, store: Store, state: ReviewState) -> None:
        number = await _ask(store, wish())
        await store.finish_review(number, decision="merge", result="{}", now=2.0)
        await store.change_review(number, state, expected=[DONE], detail="so", now=3.0)
        again = state in {DONE, ReviewState.NOT_CONFIGURED}
        assert await store.ask_review_again(number, now=4.0) is again
        found = await store.review(number)
        assert found is not None
        if again:
            assert found == ReviewRecord(number, wish(), QUEUED, 4.0, 4.0, round=2)
            assert await store.review_result(number) == ""
        else:
            assert (found.state, found.round, found.changed_at) == (state, 1, 3.0)

    async def test_an_unknown_review_is_not_asked_for_again(self, store: Store) -> None:
        assert not await store.ask_review_again(ReviewId(5), now=1.0)
        assert not await store.approve_review(ReviewId(5), now=1.0)
        assert not await store.finish_review(ReviewId(5), decision="merge", result="{}", now=1.0)
        assert await store.review_result(ReviewId(5)) == ""

    async def test_only_what_waits_is_approved(self, store: Store) -> None:
        number = await _ask(store, wish(), WAITING)
        assert await store.approve_review(number, now=2.0)
        assert await store.review(number) == ReviewRecord(number, wish(), QUEUED, 1.0, 2.0)
        assert not await store.approve_review(number, now=3.0)

    async def test_live_ones_are_told_in_the_order_of_asking(self, store: Store) -> None:
        numbers = dict[ReviewState, ReviewId]()
        for at, state in enumerate(ReviewState):
            numbers[state] = await _ask(store, wish(number=at + 1), now=100.0 - at)
            await store.change_review(numbers[state], state, expected=[QUEUED], now=200.0)
        found = await store.live_reviews()
        assert [each.id for each in found] == [numbers[state] for state in reversed(LIVE)]
        assert {each.state for each in found} == set(LIVE)

    async def test_reviews_are_found_by_what_they_are_of(self, store: Store) -> None:
        first, second = await _ask(store, wish("a", 1)), await _ask(store, wish("b", 1))
        other, branch = await _ask(store, wish("b", 2)), await _ask(store, wish("b", None))
        await _ask(store, wish("b", 1, repository=THERE))

        async def found(**which: object) -> list[ReviewId]:
            return [each.id for each in await store.reviews_of(HERE, **which)]  # type: ignore[arg-type]

        assert await found() == [branch, other, second, first]
        assert await found(limit=2) == [branch, other]
        assert await found(number=1) == [second, first]
        assert await found(sha=sha("b")) == [branch, other, second]
        assert await found(number=2, sha=sha("b")) == [other]
        assert await found(number=9) == []

    async def test_old_reports_are_forgotten_and_reviews_stay(self, store: Store) -> None:
        numbers = [await _ask(store, wish(number=at)) for at in range(1, 26)]
        for at, number in enumerate(numbers):
            await store.finish_review(number, decision="merge", result="{}", now=float(at))
        assert await store.prune_results(before=23.0) == 23
        assert [each for each in numbers if await store.review_result(each)] == numbers[23:]
        found = await store.review(numbers[0])
        assert found is not None
        assert (found.state, found.decision) == (DONE, "merge")
        assert await store.prune_results(before=23.0) == 0

"""The part of a store's contract that is pushes."""

from __future__ import annotations

import attrs

from ekaci_core.model.ids import StorePath
from ekaci_core.model.review import ReviewState
from ekaci_core.store.contract import Store
from ekaci_core.store.push import Push, PushEnd, PushId, PushState, WantedPush
from ekaci_core.store.review import ReviewId
from ekaci_core.testing.facts import drv
from ekaci_core.testing.store_forges import HERE, THERE, wish


def _path(name: str) -> StorePath:
    return StorePath.parse(f"{'0' * 32}-{name}")


def _wanted(name: str = "a", **changes: object) -> WantedPush:
    plain = WantedPush(cache="one", path=_path(name), derivation=drv(name), repository=HERE)
    return attrs.evolve(plain, **changes)  # type: ignore[arg-type]


async def _reviews(store: Store) -> tuple[ReviewId, ReviewId]:
    first = await store.ask_review(wish("a", number=1), ReviewState.QUEUED, now=1.0)
    return first, await store.ask_review(wish("b", number=2), ReviewState.QUEUED, now=1.0)


async def _ids(store: Store, cache: str = "one") -> dict[str, PushId]:
    return {each.path.name: each.id for each in await store.pushes(cache=cache, limit=1000)}


async def _end(store: Store, name: str, state: PushState, now: float = 9.0, **changes: object) -> None:
    end = PushEnd(push=(await _ids(store))[name], state=state)
    await store.end_pushes([attrs.evolve(end, **changes)], now=now)  # type: ignore[arg-type]


async def _due(store: Store, now: float = 100.0, cache: str = "one", limit: int = 100) -> list[str]:
    return [each.path.name for each in await store.pushes_due(cache, now=now, limit=limit)]


class PushConformance:
    """What every store does with what caches are to have."""

    async def test_a_push_comes_back_as_it_was_wanted(self, store: Store) -> None:
        review, _ = await _reviews(store)
        assert await store.want_pushes([_wanted(review=review)], now=5.5) == 1
        [found] = await store.pushes_due("one", now=5.5, limit=9)
        wanted = Push(id=found.id, wanted=_wanted(review=review), state=PushState.PENDING, asked_at=5.5, changed_at=5.5)
        assert found == wanted
        assert await store.pushes() == [wanted]
        assert await store.known_pushes("one", [_path("a"), _path("b")]) == {_path("a"): wanted}
        assert await store.known_pushes("two", [_path("a")]) == {}
        assert await store.known_pushes("one", []) == {}

    async def test_a_path_is_pushed_once_to_each_cache(self, store: Store) -> None:
        assert await store.want_pushes([_wanted(), _wanted(), _wanted(cache="two")], now=1.0) == 2
        assert await store.want_pushes([_wanted(repository=THERE)], now=2.0) == 0
        await _end(store, "a", PushState.DONE)
        assert await store.want_pushes([_wanted(repository=THERE)], now=3.0) == 0
        assert [(each.state, each.wanted.repository) for each in await store.pushes(cache="one")] == [
            (PushState.DONE, HERE)
        ]

    async def test_pushes_come_in_the_order_in_which_they_were_wanted(self, store: Store) -> None:
        await store.want_pushes([_wanted(name) for name in "cab"], now=1.0)
        await store.want_pushes([_wanted("x", cache="two"), _wanted("d")], now=2.0)
        assert await _due(store) == ["c", "a", "b", "d"]
        assert await _due(store, limit=2) == ["c", "a"]
        assert await _due(store, cache="two") == ["x"]
        assert await _due(store, cache="three") == []

    async def test_what_failed_for_now_waits_until_its_time(self, store: Store) -> None:
        await store.want_pushes([_wanted("a"), _wanted("b")], now=1.0)
        assert await store.next_push_at("one", now=1.0) is None
        await store.begin_pushes([(await _ids(store))["a"]], now=2.0)
        await _end(store, "a", PushState.PENDING, reason="no network \udcff", not_before=50.0)
        assert await _due(store, now=49.0) == ["b"]
        assert await _due(store, now=50.0) == ["a", "b"]
        assert await store.next_push_at("one", now=49.0) == 50.0
        assert await store.next_push_at("one", now=50.0) is None
        assert await store.next_push_at("two", now=1.0) is None
        found = (await store.known_pushes("one", [_path("a")]))[_path("a")]
        assert found.reason.startswith("no network")
        assert (found.attempts, found.first_tried_at, found.changed_at) == (1, 2.0, 9.0)

    async def test_what_is_being_pushed_is_not_due_until_the_next_start(self, store: Store) -> None:
        await store.want_pushes([_wanted("a"), _wanted("b")], now=1.0)
        number = (await _ids(store))["a"]
        await store.begin_pushes([number], now=2.0)
        await store.begin_pushes([number], now=3.0)
        assert await _due(store) == ["b"]
        assert await store.unfinished_pushes() == {_path("a"), _path("b")}
        assert await store.resume_pushes(cache="two", now=4.0) == 0
        assert await store.resume_pushes(cache="one", now=4.0) == 1
        await store.begin_pushes([number], now=4.0)
        assert await store.resume_pushes(now=4.0) == 1
        assert await _due(store) == ["a", "b"]
        found = (await store.known_pushes("one", [_path("a")]))[_path("a")]
        assert (found.attempts, found.first_tried_at) == (3, 2.0)
        assert await store.resume_pushes(now=5.0) == 0

    async def test_what_was_pushed_stays_so(self, store: Store) -> None:
        await store.want_pushes([_wanted(name) for name in "abc"], now=1.0)
        await _end(store, "a", PushState.DONE, sent_bytes=77)
        await _end(store, "b", PushState.PRESENT)
        await _end(store, "c", PushState.FAILED, reason="refused")
        assert await _due(store) == []
        assert await store.resume_pushes(now=10.0) == 0
        assert await store.unfinished_pushes() == frozenset()
        assert [(each.state, each.sent_bytes, each.reason) for each in await store.pushes()] == [
            (PushState.FAILED, None, "refused"),
            (PushState.PRESENT, None, ""),
            (PushState.DONE, 77, ""),
        ]

    async def test_what_failed_is_tried_again_for_another_review_alone(self, store: Store) -> None:
        first, second = await _reviews(store)
        await store.want_pushes([_wanted(review=first)], now=1.0)
        await store.begin_pushes((await _ids(store)).values(), now=2.0)
        await _end(store, "a", PushState.FAILED, reason="refused")
        assert await store.want_pushes([_wanted(review=first)], now=3.0) == 0
        assert await _due(store) == []
        again = _wanted(review=second, repository=THERE)
        assert await store.want_pushes([again], now=4.0) == 1
        [found] = await store.pushes_due("one", now=4.0, limit=9)
        assert (found.wanted, found.attempts, found.reason, found.asked_at) == (again, 0, "", 4.0)
        assert found.first_tried_at is None

    async def test_failed_pushes_are_put_back(self, store: Store) -> None:
        await store.want_pushes([_wanted(name) for name in "abcd"] + [_wanted("a", cache="two")], now=1.0)
        numbers = await _ids(store)
        ends = [PushEnd(push=each.id, state=PushState.FAILED) for each in await store.pushes() if each.path.name != "d"]
        await store.end_pushes(ends, now=2.0)
        assert await store.retry_pushes(push=numbers["d"], now=3.0) == 0
        assert await store.retry_pushes(push=numbers["b"], now=3.0) == 1
        assert await _due(store) == ["b", "d"]
        assert await store.retry_pushes(cache="two", now=3.0) == 1
        assert await _due(store) == ["b", "d"]
        assert await store.retry_pushes(now=3.0) == 2
        assert await _due(store) == ["a", "b", "c", "d"]

    async def test_pushes_are_listed_in_pages_and_counted(self, store: Store) -> None:
        assert await store.count_pushes() == {}
        await store.want_pushes([_wanted(name) for name in "abc"] + [_wanted("a", cache="two")], now=1.0)
        await _end(store, "b", PushState.DONE)
        found = await store.pushes(limit=2)
        assert [(each.wanted.cache, each.path.name) for each in found] == [("two", "a"), ("one", "c")]
        assert [each.path.name for each in await store.pushes(before=found[-1].id)] == ["b", "a"]
        assert [each.path.name for each in await store.pushes(cache="one", state=PushState.PENDING)] == ["c", "a"]
        assert await store.count_pushes() == {
            "one": {PushState.PENDING: 2, PushState.DONE: 1},
            "two": {PushState.PENDING: 1},
        }

    async def test_what_has_waited_for_too_long_is_given_up(self, store: Store) -> None:
        await store.want_pushes([_wanted("old"), _wanted("busy")], now=1.0)
        await store.begin_pushes([(await _ids(store))["busy"]], now=2.0)
        await store.want_pushes([_wanted("young")], now=5.0)
        assert await store.expire_pushes(before=5.0, reason="too long", now=9.0) == 1
        [failed] = await store.pushes(state=PushState.FAILED)
        assert (failed.path.name, failed.reason, failed.changed_at) == ("old", "too long", 9.0)
        assert await _due(store) == ["young"]

    async def test_old_pushes_are_forgotten_once_they_are_over(self, store: Store) -> None:
        await store.want_pushes([_wanted(f"n{at}") for at in range(1100)] + [_wanted("waits")], now=1.0)
        ends = [
            PushEnd(push=each.id, state=PushState.DONE)
            for each in await store.pushes(limit=2000)
            if each.path.name != "waits"
        ]
        await store.end_pushes(ends[1:], now=2.0)
        await store.end_pushes(ends[:1], now=5.0)
        assert len(await store.pushed_derivations()) == 1101
        assert await store.prune_pushes(before=5.0) == 1099
        assert len(await store.pushes()) == 2
        assert drv("waits") in await store.pushed_derivations()
        assert await store.want_pushes([_wanted("n5")], now=6.0) == 1, "what is forgotten is wanted anew"

    async def test_pushes_follow_a_repository_that_is_renamed(self, store: Store) -> None:
        await store.want_pushes([_wanted("a"), _wanted("b", repository=THERE)], now=1.0)
        await store.rename_repository(HERE, THERE)
        assert {each.wanted.repository for each in await store.pushes()} == {THERE}

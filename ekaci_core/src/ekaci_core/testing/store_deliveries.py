"""The part of a store's contract that is the inbox."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread

from ekaci_core.store.contract import Store
from ekaci_core.store.delivery import Delivery, DeliveryId, DeliveryState


async def _added(store: Store, *names: str, now: float = 5.0, forge: str = "github") -> list[DeliveryId]:
    for name in names:
        assert await store.add_delivery(forge, "app", name, "push", name.encode(), now=now)
    ids = {(each.forge, each.name): each.id for each in await store.deliveries(limit=1000)}
    return [ids[forge, name] for name in names]


async def _ended(store: Store, delivery: DeliveryId, state: DeliveryState = DeliveryState.HANDLED) -> None:
    await store.end_delivery(delivery, state, outcome="so", now=9.0)


class DeliveryConformance:
    """What every store does with what forges tell."""

    async def test_a_delivery_comes_back_as_it_went(self, store: Store) -> None:
        body = b'{"a": "\xff\x00"}' * 500
        assert await store.add_delivery("github", "app", "name-1", "pull_request", body, now=5.5)
        [found] = await store.pending_deliveries(limit=10)
        wanted = Delivery(found.id, "github", "app", "name-1", "pull_request", body, 5.5, DeliveryState.PENDING)
        assert found == wanted
        assert await store.delivery(found.id) == wanted
        assert await store.delivery(DeliveryId(found.id + 1)) is None

    async def test_a_delivery_is_stored_once(self, store: Store) -> None:
        [number] = await _added(store, "one")
        assert not await store.add_delivery("github", "other app", "one", "ping", b"else", now=6.0)
        assert [each.payload for each in await store.pending_deliveries(limit=9)] == [b"one"]
        await _ended(store, number)
        assert not await store.add_delivery("github", "app", "one", "push", b"one", now=7.0)
        assert await store.pending_deliveries(limit=9) == []
        assert await store.add_delivery("gitlab", "app", "one", "push", b"one", now=7.0)

    async def test_of_many_at_once_each_is_stored_once(self, store: Store) -> None:
        stored = list[str]()

        async def add(name: str) -> None:
            if await store.add_delivery("github", "app", name, "push", name.encode(), now=1.0):
                stored.append(name)

        async with anyio.create_task_group() as tasks:
            for at in range(600):
                tasks.start_soon(add, f"name-{at % 300}")
        assert sorted(stored) == sorted(f"name-{at}" for at in range(300))
        pending = await store.pending_deliveries(limit=1000)
        assert {each.payload.decode() for each in pending} == set(stored)
        assert [each.id for each in pending] == sorted(each.id for each in pending)

    async def test_text_that_is_not_unicode_stops_no_delivery(self, store: Store) -> None:
        assert await store.add_delivery("github", "app", "name \udcff", "push \udcff", b"", now=1.0)
        assert len(await store.pending_deliveries(limit=1)) == 1

    async def test_pending_ones_come_in_order_until_they_are_handled(self, store: Store) -> None:
        first, second, third = await _added(store, "1", "2", "3")
        assert [each.id for each in await store.pending_deliveries(limit=2)] == [first, second]
        assert [each.id for each in await store.pending_deliveries(limit=2, after=first)] == [second, third]
        assert await store.pending_deliveries(limit=2, after=third) == []
        await _ended(store, second)
        await _ended(store, third, DeliveryState.IGNORED)
        assert [each.id for each in await store.pending_deliveries(limit=2)] == [first]

    async def test_writing_can_be_tried(self, store: Store) -> None:
        await store.check_writing()
        assert not await store.deliveries()

    async def test_what_was_asked_in_an_event_loop_of_ones_own_is_done_before_it_closes(self, store: Store) -> None:
        async def elsewhere() -> None:
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(_added, store, str(number))
                    tasks.start_soon(partial(store.pending_deliveries, limit=9))
                await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()  # who asked is gone, and will be asked for the answers all the same
            await store.settle()

        await anyio.to_thread.run_sync(anyio.run, elsewhere)
        await store.check_writing()
        assert {each.name for each in await store.pending_deliveries(limit=20)} == set(map(str, range(20)))

    async def test_what_failed_for_now_stays_pending(self, store: Store) -> None:
        [number] = await _added(store, "1")
        await store.end_delivery(number, DeliveryState.PENDING, outcome="no network", now=6.0)
        [found] = await store.pending_deliveries(limit=2)
        assert (found.outcome, found.attempts, found.handled_at) == ("no network", 1, None)
        await store.end_delivery(number, DeliveryState.FAILED, outcome="given up \udcff", now=7.0)
        ended = await store.delivery(number)
        assert ended is not None
        assert (ended.state, ended.attempts, ended.handled_at) == (DeliveryState.FAILED, 2, 7.0)
        assert ended.outcome.startswith("given up")

    async def test_deliveries_are_listed_in_pages_without_payloads(self, store: Store) -> None:
        numbers = await _added(store, *"12345")
        await _ended(store, numbers[1])
        await _ended(store, numbers[3])
        assert [each.id for each in await store.deliveries()] == numbers[::-1]
        assert {each.payload for each in await store.deliveries()} == {b""}
        assert [each.id for each in await store.deliveries(limit=2, before=numbers[3])] == [numbers[2], numbers[1]]
        handled = await store.deliveries(state=DeliveryState.HANDLED)
        assert [each.id for each in handled] == [numbers[3], numbers[1]]
        earlier = await store.deliveries(state=DeliveryState.HANDLED, before=numbers[3])
        assert [each.id for each in earlier] == [numbers[1]]

    async def test_names_are_told_by_forge_and_time(self, store: Store) -> None:
        await _added(store, "old", now=1.0)
        await _added(store, "at", now=5.0)
        await _added(store, "new", now=9.0)
        await _added(store, "else", now=9.0, forge="gitlab")
        assert await store.delivery_names("github", since=5.0) == {"at", "new"}

    async def test_a_replayed_delivery_is_as_if_it_was_never_handled(self, store: Store) -> None:
        [number] = await _added(store, "1")
        before = await store.delivery(number)
        await _ended(store, number)
        assert await store.replay_delivery(number, now=20.0)
        assert await store.delivery(number) == before
        assert not await store.replay_delivery(DeliveryId(number + 1), now=20.0)

    async def test_old_deliveries_are_forgotten_unless_they_are_pending(self, store: Store) -> None:
        handled, failed, pending, replayed = await _added(store, "handled", "failed", "pending", "replayed", now=1.0)
        (young,) = await _added(store, "young", now=10.0)
        for number in (handled, replayed, young):
            await _ended(store, number)
        await _ended(store, failed, DeliveryState.FAILED)
        await store.replay_delivery(replayed, now=12.0)
        await _ended(store, replayed)
        assert await store.prune_deliveries(before=10.0) == 2
        assert {each.id for each in await store.deliveries()} == {pending, replayed, young}
        assert await store.delivery(handled) is None
        assert await store.prune_deliveries(before=10.0) == 0
        assert (await _added(store, "handled", now=13.0))[0] > young, "a number is never used twice"

    async def test_any_number_is_forgotten(self, store: Store) -> None:
        async def add(name: str) -> None:
            await store.add_delivery("github", "app", name, "push", b"x", now=1.0)

        async with anyio.create_task_group() as tasks:
            for at in range(1100):
                tasks.start_soon(add, str(at))
        for each in await store.deliveries(limit=2000):
            await _ended(store, each.id)
        assert await store.prune_deliveries(before=2.0) == 1100
        assert await store.deliveries() == []

from __future__ import annotations

import anyio
import pytest

from ekaci_core.bus import Broadcast


async def test_every_listener_gets_every_event_in_order() -> None:
    broadcast: Broadcast[int] = Broadcast()
    with broadcast.listening() as first, broadcast.listening() as second:
        for number in range(3):
            broadcast.send(number)
        broadcast.close()
        assert [event async for event in first] == [0, 1, 2]
        assert [event async for event in second] == [0, 1, 2]


async def test_a_waiting_listener_is_woken() -> None:
    broadcast: Broadcast[str] = Broadcast()
    heard: list[str] = []

    async def listen() -> None:
        with broadcast.listening() as subscription:
            listening.set()
            heard.extend([event async for event in subscription])

    listening = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await listening.wait()
        await anyio.wait_all_tasks_blocked()
        broadcast.send("one")
        await anyio.wait_all_tasks_blocked()
        broadcast.send("two")
        broadcast.close()
    assert heard == ["one", "two"]


async def test_a_slow_listener_loses_the_oldest_and_knows_how_many() -> None:
    broadcast: Broadcast[int] = Broadcast()
    with broadcast.listening(capacity=2) as slow, broadcast.listening() as steady:
        for number in range(5):
            broadcast.send(number)
        broadcast.close()
        assert [event async for event in slow] == [3, 4]
        assert slow.lost == 3
        assert [event async for event in steady] == [0, 1, 2, 3, 4]
        assert steady.lost == 0


async def test_who_has_left_is_forgotten() -> None:
    broadcast: Broadcast[int] = Broadcast()
    with pytest.raises(RuntimeError), broadcast.listening() as gone:
        raise RuntimeError
    broadcast.send(1)
    gone.close()
    assert [event async for event in gone] == []


async def test_events_sent_after_closing_do_not_hang_a_late_listener() -> None:
    broadcast: Broadcast[int] = Broadcast()
    broadcast.close()
    with broadcast.listening() as late, anyio.fail_after(5):
        assert [event async for event in late] == []

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.evaluation.batches import Batches

pytestmark = pytest.mark.anyio

PATIENT = 30.0


def batches(*, capacity: int = 10, group: int = 4, patience: float = PATIENT) -> Batches[int]:
    return Batches(capacity=capacity, group=group, patience_seconds=patience)


async def test_a_whole_group_is_taken_at_once() -> None:
    made = batches()
    for number in range(4):
        await made.put([number])
    assert await made.take() == [0, 1, 2, 3]


async def test_an_incomplete_group_is_taken_after_a_while() -> None:
    made = batches(patience=0.01)
    await made.put([1])
    assert await made.take() == [1]


async def test_the_end_is_an_empty_list() -> None:
    made = batches()
    await made.put([1])
    made.close()
    assert await made.take() == [1]
    assert await made.take() == []
    assert await made.take() == []


async def test_the_end_wakes_whoever_waits() -> None:
    made = batches()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.take)
        await anyio.wait_all_tasks_blocked()
        made.close()


async def test_no_more_is_put_than_there_is_room_for() -> None:
    made = batches(capacity=3)
    put: list[int] = []

    async def fill() -> None:
        for number in range(10):
            await made.put([number])
            put.append(number)
        made.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fill)
        await anyio.wait_all_tasks_blocked()
        assert put == [0, 1, 2]
        taken: list[int] = []
        while part := await made.take():
            assert len(part) <= 4
            taken += part
    assert taken == list(range(10))


async def test_a_batch_beyond_the_capacity_passes_group_by_group() -> None:
    made = batches(capacity=2)
    await made.put(range(50))
    made.close()
    taken = []
    while part := await made.take():
        taken.append(part)
    assert taken == [[first, first + 1] for first in range(0, 50, 2)]


async def test_a_cancelled_wait_loses_nothing() -> None:
    made = batches(group=5)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.take)
            await made.put([1, 2])
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    made.close()
    assert await made.take() == [1, 2]


@given(st.lists(st.lists(st.integers(), max_size=7)), st.integers(1, 5), st.integers(1, 5))
def test_everything_arrives_in_order(parts: list[list[int]], capacity: int, group: int) -> None:
    async def run() -> list[int]:
        made = batches(capacity=capacity, group=group, patience=0)

        async def fill() -> None:
            for part in parts:
                await made.put(part)
                await anyio.lowlevel.checkpoint()
            made.close()

        taken: list[int] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fill)
            while part := await made.take():
                taken += part
        return taken

    assert anyio.run(run) == [number for part in parts for number in part]

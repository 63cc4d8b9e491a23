"""Calls of plugins in tasks of their own: what does not end is left behind, and nobody waits for it."""

from __future__ import annotations

import gc

import anyio
import pytest
from tests.unit.registry.conftest import RecordingLog

from ekaci_core.api import InfrastructureFault
from ekaci_core.registry.apart import NoAnswer, apart
from ekaci_core.registry.guard import Surprise, guarded

pytestmark = pytest.mark.anyio


async def stubborn(end: anyio.Event) -> str:
    """Take no notice of being cancelled."""
    while not end.is_set():
        try:
            await end.wait()
        except BaseException:  # noqa: BLE001, S112 - what a plugin should not do
            continue
    return "late"


async def test_one_that_swallows_its_cancellation_is_left_behind(log: RecordingLog) -> None:
    end = anyio.Event()
    said = await guarded(
        lambda: stubborn(end),
        lambda surprise: surprise,
        who="lua",
        log=log,
        deadline_seconds=0.05,
        left_behind_after_seconds=0.05,
    )
    assert isinstance(said, Surprise)
    assert "no answer within" in said.message
    assert log.warnings("plugin_left_behind")
    end.set()


async def test_who_is_cancelled_does_not_wait_for_it_for_ever(log: RecordingLog) -> None:
    end = anyio.Event()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                lambda: apart(lambda: stubborn(end), who="lua", log=log, deadline_seconds=None, grace_seconds=0.05)
            )
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert log.warnings("plugin_left_behind")
    end.set()


async def test_one_that_cleans_up_is_waited_for_and_keeps_its_shields(log: RecordingLog) -> None:
    steps: list[str] = []

    async def tidy() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
                steps.append("tidied")

    with pytest.raises(NoAnswer):
        await apart(tidy, who="lua", log=log, deadline_seconds=0.01, grace_seconds=5)
    assert steps == ["tidied"]
    assert log.entries == []


async def test_ten_thousand_tasks_that_it_leaves_keep_nobody_waiting(log: RecordingLog) -> None:
    import asyncio  # noqa: PLC0415 - what a plugin does behind our back

    left: list[asyncio.Task[None]] = []

    async def leaking() -> int:
        left.extend(asyncio.ensure_future(anyio.sleep_forever()) for _ in range(10_000))
        return len(left)

    with anyio.fail_after(10):
        assert await apart(leaking, who="lua", log=log, deadline_seconds=5) == 10_000
    for task in left:
        task.cancel()


@pytest.mark.parametrize("error", [InfrastructureFault("down", where="there"), RuntimeError("broken")])
async def test_what_it_raises_comes_to_the_caller(log: RecordingLog, error: Exception) -> None:
    async def raising() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await apart(raising, who="lua", log=log, deadline_seconds=None)
    assert raised.value is error


async def test_one_that_ends_the_process_ends_itself_alone(log: RecordingLog) -> None:
    async def leaving() -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="SystemExit"):
        await apart(leaving, who="lua", log=log, deadline_seconds=None)


async def test_nothing_is_collected_in_the_middle_of_its_work(log: RecordingLog) -> None:
    async def working() -> str:
        await anyio.sleep(0.05)
        return "done"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 0.02)
        gc.collect()
        assert await apart(working, who="lua", log=log, deadline_seconds=None) == "done"

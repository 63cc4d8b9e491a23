from __future__ import annotations

import fcntl
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.server.occupancy import Occupancy

pytestmark = pytest.mark.anyio


async def test_one_of_two_is_not_alone(tmp_path: Path) -> None:
    async with Occupancy.of(tmp_path / "lock") as first:
        async with Occupancy.of(tmp_path / "lock"):
            assert not first.become_alone()
        assert first.become_alone()


async def test_who_comes_meanwhile_waits(tmp_path: Path) -> None:
    entered = anyio.Event()

    async def come() -> None:
        async with Occupancy.of(tmp_path / "lock"):
            entered.set()

    async with anyio.create_task_group() as tasks:
        async with Occupancy.of(tmp_path / "lock") as first:
            assert first.become_alone()
            tasks.start_soon(come)
            await anyio.sleep(0.1)
            assert not entered.is_set()
        with anyio.fail_after(20):
            await entered.wait()


async def test_who_was_refused_is_not_in_the_way_afterwards(tmp_path: Path) -> None:
    async with Occupancy.of(tmp_path / "lock") as second:
        async with Occupancy.of(tmp_path / "lock") as first:
            assert not first.become_alone()
        assert second.become_alone()


async def test_the_lock_is_let_go_when_the_context_closes(tmp_path: Path) -> None:
    async with Occupancy.of(tmp_path / "lock") as held:
        assert held.become_alone()
    with (tmp_path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_a_lock_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFault, match="lock") as raised:
        async with Occupancy.of(tmp_path / "nowhere" / "lock"):
            pass
    assert raised.value.do is not None

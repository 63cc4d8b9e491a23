"""Who evaluates next."""

from __future__ import annotations

import anyio
import pytest

from ekaci_core.api import RepositoryId
from ekaci_core.model.review import Occasion
from ekaci_core.server.turns import Turns

pytestmark = pytest.mark.anyio

BUSY, CALM = RepositoryId.parse("forge.example.org", "a/busy"), RepositoryId.parse("forge.example.org", "b/calm")


async def order(turns: Turns, wanted: list[tuple[str, RepositoryId, Occasion]]) -> list[str]:
    """Let all of them wait behind one that works; return the order in which they had their turns."""
    had: list[str] = []
    free = anyio.Event()

    async def one(name: str, repository: RepositoryId, occasion: Occasion) -> None:
        async with turns.of(repository, occasion):
            had.append(name)
            await free.wait()

    async with anyio.create_task_group() as tasks:
        for each in wanted:
            tasks.start_soon(one, *each)
            await anyio.wait_all_tasks_blocked()
        free.set()
    return had


async def test_repositories_take_turns() -> None:
    wanted = [(f"busy {number}", BUSY, Occasion.PULL_REQUEST) for number in range(4)]
    wanted += [(f"calm {number}", CALM, Occasion.PULL_REQUEST) for number in range(2)]
    assert await order(Turns(1), wanted) == ["busy 0", "calm 0", "busy 1", "calm 1", "busy 2", "busy 3"]


async def test_of_a_repository_merge_groups_go_first_and_branches_last() -> None:
    wanted = [("first", BUSY, Occasion.BRANCH), ("branch", BUSY, Occasion.BRANCH)]
    wanted += [("pull", BUSY, Occasion.PULL_REQUEST), ("group", BUSY, Occasion.MERGE_GROUP)]
    assert await order(Turns(1), wanted) == ["first", "group", "pull", "branch"]


async def test_whoever_gives_up_takes_no_turn() -> None:
    turns = Turns(1)
    async with anyio.create_task_group() as tasks, turns.of(BUSY, Occasion.PULL_REQUEST):
        scope = anyio.CancelScope()

        async def gives_up() -> None:
            with scope:
                async with turns.of(CALM, Occasion.PULL_REQUEST):
                    raise AssertionError("it had a turn")

        tasks.start_soon(gives_up)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
    with anyio.fail_after(5):
        async with turns.of(CALM, Occasion.PULL_REQUEST):
            pass


async def test_so_many_at_once() -> None:
    turns = Turns(2)
    async with turns.of(BUSY, Occasion.PULL_REQUEST), turns.of(BUSY, Occasion.PULL_REQUEST):
        with anyio.move_on_after(0.05) as waiting:
            async with turns.of(CALM, Occasion.PULL_REQUEST):
                pass
        assert waiting.cancelled_caught

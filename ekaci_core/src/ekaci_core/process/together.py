"""Two things at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ekaci_core.model.errors import EkaciError

First = TypeVar("First")
Second = TypeVar("Second")


async def together(
    first: Callable[[], Awaitable[First]], second: Callable[[], Awaitable[Second]]
) -> tuple[First, Second]:
    """Run two calls at once and return both results.

    Where both fail, it is the first one's fault that is raised, whichever came earlier, and as it is, not in a group.
    Neither call is left running.

    Raises:
        EkaciError: what either of them raises.
    """
    made: list[First] = []
    results: list[Second] = []
    fault: EkaciError | None = None
    other_fault: EkaciError | None = None

    async def beside() -> None:
        nonlocal other_fault
        try:
            results.append(await second())
        except EkaciError as raised:
            other_fault = raised

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beside)
        try:
            made.append(await first())
        except EkaciError as raised:
            fault = raised
            tasks.cancel_scope.cancel()
    if fault is not None:
        raise fault
    if other_fault is not None:
        raise other_fault
    return made[0], results[0]

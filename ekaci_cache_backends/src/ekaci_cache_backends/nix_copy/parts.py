"""Blocking work in parts, each in a thread, within one limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import anyio
import anyio.to_thread

from ekaci_cache_backends.nix_copy.trouble import Trouble


async def in_parts(
    names: Collection[str],
    work: Callable[[Sequence[str]], frozenset[str]],
    limiter: anyio.CapacityLimiter,
    *,
    largest: int,
    smallest: int = 1,
) -> frozenset[str]:
    """Divide sorted names among threads and put together what each returns.

    Raises:
        Trouble: the first that a part raises; what goes on is waited for.
    """
    wanted = sorted(names)
    size = max(smallest, min(largest, math.ceil(len(wanted) / limiter.total_tokens)))
    found: list[frozenset[str]] = []
    failures: list[Trouble] = []

    async def one(part: Sequence[str]) -> None:
        try:
            found.append(await anyio.to_thread.run_sync(work, part, limiter=limiter))
        except Trouble as trouble:
            failures.append(trouble)
            tasks.cancel_scope.cancel()  # parts that have not begun do not begin

    async with anyio.create_task_group() as tasks:
        for start in range(0, len(wanted), size):
            tasks.start_soon(one, wanted[start : start + size])
    if failures:
        raise failures[0]
    return frozenset().union(*found)

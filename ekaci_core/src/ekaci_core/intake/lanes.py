"""In which order deliveries are handled, and which wait for which."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import anyio.abc

from ekaci_core.intake.handling import Item
from ekaci_core.intake.subject import Subject

MOST_AT_ONCE: Final = 8

Attempt = Callable[[Item, int], Awaitable[float | None]]
"""Handles a delivery once, given which attempt this is; returns seconds until the next, None where it is done with."""


class Lanes:
    """One lane for each repository, in the order of arrival; repositories go side by side.

    A delivery that cannot be handled now leaves its lane and is tried again later. Those of the same subject that come
    after it wait behind it; everything else passes.
    """

    def __init__(self, tasks: anyio.abc.TaskGroup, attempt: Attempt, done: Callable[[Item], None]) -> None:
        """Prepare.

        Args:
            tasks: where lanes run.
            attempt: handles a delivery.
            done: called when one is done with.
        """
        self._tasks = tasks
        self._attempt = attempt
        self._done = done
        self._lanes: dict[Subject, deque[Item]] = {}
        self._parked: dict[Subject, deque[Item]] = {}
        self._limit = anyio.CapacityLimiter(MOST_AT_ONCE)
        self._progress = anyio.Event()

    def add(self, item: Item) -> None:
        """Put a delivery at the end of its lane."""
        lane = item.lane
        if lane in self._lanes:
            self._lanes[lane].append(item)
            return
        self._lanes[lane] = deque([item])
        self._tasks.start_soon(self._drive, lane, name=f"intake of {'/'.join(lane)}")

    async def room(self, most: int) -> None:
        """Wait until at most so many are ready to be handled; what waits for another attempt does not count."""
        while sum(map(len, self._lanes.values())) > most:
            self._progress = anyio.Event()
            await self._progress.wait()

    async def _drive(self, lane: Subject) -> None:
        queue = self._lanes[lane]
        while queue:
            item = queue[0]
            if item.subject in self._parked:
                self._parked[item.subject].append(item)
            elif (pause := await self._once(item, item.delivery.attempts + 1)) is not None:
                self._parked[item.subject] = deque([item])
                self._tasks.start_soon(self._retry, item.subject, pause, name=f"retry of {'/'.join(item.subject)}")
            queue.popleft()
            self._progress.set()
        del self._lanes[lane]

    async def _retry(self, subject: Subject, pause: float) -> None:
        queue = self._parked[subject]
        await anyio.sleep(pause)
        attempts = queue[0].delivery.attempts + 1
        while queue:
            attempts += 1
            again = await self._once(queue[0], attempts)
            if again is None:
                queue.popleft()
                attempts = queue[0].delivery.attempts if queue else 0
            else:
                await anyio.sleep(again)
        del self._parked[subject]

    async def _once(self, item: Item, attempts: int) -> float | None:
        async with self._limit:
            pause = await self._attempt(item, attempts)
        if pause is None:
            self._done(item)
        return pause

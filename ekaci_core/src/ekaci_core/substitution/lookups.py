"""Looks up many paths in several substituters, many at a time, and each once."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from ekaci_core.api import Clock
from ekaci_core.model.ids import StorePath
from ekaci_core.nix.narinfo import NarInfo
from ekaci_core.substitution.cache import CacheFailed
from ekaci_core.substitution.memory import Answer, Memory
from ekaci_core.substitution.substituter import Substituter
from ekaci_core.substitution.walk import Said, Walk


class Lookups:
    """Asks the substituters that can be used, in the order of their priority.

    Attributes:
        left_out: why others are not asked, by their name.
        failures: the first reason why one did not answer a question, by its name.
    """

    def __init__(self, substituters: Sequence[Substituter], memory: Memory, clock: Clock, *, at_once: int) -> None:
        """Ask nothing yet; ``at_once`` is how many questions may be open."""
        self.left_out: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self._substituters = substituters
        self._usable: list[Substituter] = []
        self._memory = memory
        self._clock = clock
        self._at_once = at_once

    async def open(self) -> None:
        """Find out which substituters can be used."""
        priorities: dict[Substituter, int] = {}

        async def ask(substituter: Substituter) -> None:
            try:
                priorities[substituter] = await substituter.priority()
            except CacheFailed as failure:
                self.left_out[substituter.name] = failure.reason

        async with anyio.create_task_group() as group:
            for each in self._substituters:
                group.start_soon(ask, each)
        # Sorting keeps the order of the settings among equals, as Nix does.
        among = [each for each in self._substituters if each in priorities]
        self._usable = sorted(among, key=priorities.__getitem__)

    @property
    def usable(self) -> Sequence[Substituter]:
        """Those that can be used, the first to ask first."""
        return self._usable

    async def answer(self, walk: Walk) -> None:
        """Look up what a walk asks for, until it asks for nothing more."""
        running = 0
        async with anyio.create_task_group() as group:

            def start() -> None:
                nonlocal running
                while running < self._at_once and running < len(walk.asked):
                    running += 1
                    group.start_soon(work)

            async def work() -> None:
                nonlocal running
                while walk.asked:
                    path = walk.asked.popleft()
                    walk.told(path, await self.find(path))
                    start()
                running -= 1

            start()

    async def find(self, path: StorePath) -> NarInfo | Said:
        """Look up one path."""
        now = self._clock.monotonic()
        known = self._memory.find(path, now)
        if known is not None:
            return known.info or Said.ABSENT
        failed = False
        for substituter in self._usable:
            try:
                info = await substituter.look_up(path)
            except CacheFailed as failure:
                self.failures.setdefault(substituter.name, failure.reason)
                failed = True
                continue
            if info is not None:
                self._memory.keep(path, Answer(info), now)
                return info
        if failed:
            return Said.UNDECIDED
        if not self.left_out:  # those may have it, once they can be used
            self._memory.keep(path, Answer(None), now)
        return Said.ABSENT
